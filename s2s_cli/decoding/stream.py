"""Decoding a stream: every line in is a line out, in order, in bounded memory."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields

from s2s_cli.decoding.beam import Hypothesis, search
from s2s_cli.decoding.config import BeamConfig
from s2s_cli.decoding.wording import Worded, Wording
from s2s_cli.inference.replicas import Replicas
from s2s_cli.inference.scorer import Scorer
from s2s_cli.inference.sentences import Sentences
from s2s_cli.partition import shares
from s2s_cli.text.nbest import format_entry

# Lines read ahead: enough to find sentences of like length for every batch.
LOOKAHEAD_BATCHES = 16
MOST_LOOKAHEAD = 2048
# Hypotheses searched together: enough for full blocks of rows, few enough for small states.
ROWS = 1024
PLAIN = Wording()


@dataclass(frozen=True)
class Piece:
    """Lines of a stream that stand together; the first is its line ``first``, from 0."""

    first: int
    lines: list[str]


@dataclass
class Counts:
    """What happened to a stream, or to a piece of it."""

    lines: int = 0
    blank: int = 0
    cut: int = 0
    at_limit: int = 0
    source_words: int = 0
    target_words: int = 0
    flops: int = 0

    def add(self, other: "Counts") -> None:
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


@dataclass(frozen=True)
class Translated:
    """What became of a piece: lines of bytes, and when it was worked on (`time.monotonic`)."""

    text: bytes
    counts: Counts
    begin: float
    end: float


@dataclass
class Busy:
    """The time in which any of several workers was at work."""

    seconds: float = 0.0
    until: float = 0.0

    def add(self, begin: float, end: float) -> None:
        """Count the time from ``begin`` to ``end``, but none twice; times come in order."""
        self.seconds += max(0.0, end - max(begin, self.until))
        self.until = max(self.until, end)


def default_batch_size(config: BeamConfig) -> int:
    """Sentences decoded together: as many as fill the processor."""
    return max(1, ROWS // config.beam)


def lookahead(batch_size: int) -> int:
    """Lines worth having before decoding starts."""
    return max(batch_size, min(LOOKAHEAD_BATCHES * batch_size, MOST_LOOKAHEAD))


def pieces(chunks: Iterable[list[str]], workers: int) -> Iterator[Piece]:
    """Each of ``chunks`` in as many pieces of about equal length as there are workers."""
    first = 0
    for chunk in chunks:
        for lines in shares(chunk, [1 + len(line) for line in chunk], workers):
            yield Piece(first, lines)
            first += len(lines)


def decode_piece(
    replicas: Replicas, config: BeamConfig, batch_size: int, piece: Piece, wording: Wording = PLAIN
) -> Translated:
    """Translate ``piece`` with the replica of this process."""
    return Decoder(*replicas.here(), config, batch_size, wording).decode(piece)


class Decoder:
    """A model or ensemble that turns lines into lines."""

    def __init__(
        self,
        scorer: Scorer,
        sentences: Sentences,
        config: BeamConfig,
        batch_size: int,
        wording: Wording = PLAIN,
    ) -> None:
        """Decode up to ``batch_size`` sentences together."""
        self.scorer, self.sentences, self.config = scorer, sentences, config
        self.batch_size, self.wording = batch_size, wording

    def decode(self, piece: Piece) -> Translated:
        """For each line of ``piece`` the translation, or its n-best list; blank lines stay blank.

        A blank line, and a line for which the model has nothing, is never left out; an n-best
        list has an entry with an empty hypothesis for it.
        """
        begin = time.monotonic()
        flops, cut = self.scorer.flops, self.sentences.cut
        lines = [self.sentences.source_words(line) for line in piece.lines]
        sources = [self.sentences.ids(words) for words in lines]
        found = self.search(sources)
        assert len(found) == len(piece.lines)
        worded = self.wording.worded(self.scorer, self.sentences, lines, found)
        text = "".join(
            line + "\n"
            for number, hypotheses in enumerate(worded, piece.first)
            for line in self.output(number, hypotheses)
        ).encode()
        counts = count(sources, found)
        counts.cut, counts.flops = self.sentences.cut - cut, self.scorer.flops - flops
        return Translated(text, counts, begin, time.monotonic())

    def search(self, sources: list[list[int]]) -> list[list[Hypothesis]]:
        """Hypotheses of each source; sentences of like length share a batch, the longest first."""
        order = sorted(
            (index for index, source in enumerate(sources) if source),
            key=lambda index: -len(sources[index]),
        )
        found: list[list[Hypothesis]] = [[] for _ in sources]
        for start in range(0, len(order), self.batch_size):
            batch = order[start : start + self.batch_size]
            results = search(self.scorer, [sources[index] for index in batch], self.config)
            for index, hypotheses in zip(batch, results, strict=True):
                found[index] = hypotheses
        return found

    def output(self, number: int, hypotheses: list[Worded]) -> Iterator[str]:
        """The lines of sentence ``number``."""
        if self.config.nbest:
            yield from self.nbest_list(number, hypotheses)
        else:
            yield self.best_line(hypotheses)

    def best_line(self, hypotheses: list[Worded]) -> str:
        if not hypotheses:
            return ""
        return self.sentences.text(self.sentences.words(hypotheses[0].pieces))

    def nbest_list(self, number: int, hypotheses: list[Worded]) -> Iterator[str]:
        """Entries of sentence ``number``: words, log probability of each member, total."""
        aligned = self.wording.alignments
        if not hypotheses:  # with the features of all others, so that `rescore` can weigh them
            nothing = [(f"S2S{member}", [0.0]) for member in range(self.scorer.members)]
            yield format_entry(number, "", nothing, 0.0, [] if aligned else None)
        for each in hypotheses:
            features = [
                (f"S2S{member}", [log_prob])
                for member, log_prob in enumerate(each.hypothesis.member_log_probs)
            ]
            pairs = each.pairs if aligned else None
            text = " ".join(self.sentences.listed(each.pieces))
            yield format_entry(number, text, features, each.hypothesis.score, pairs)


def count(sources: list[list[int]], found: list[list[Hypothesis]]) -> Counts:
    counts = Counts(lines=len(sources), source_words=sum(map(len, sources)))
    for source, hypotheses in zip(sources, found, strict=True):
        counts.blank += not source
        if hypotheses:
            counts.target_words += len(hypotheses[0].tokens)
            counts.at_limit += hypotheses[0].at_limit
    return counts
