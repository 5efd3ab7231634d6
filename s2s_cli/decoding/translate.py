"""Translating a chunk of lines: words to ids, beam search in batches, hypotheses to lines."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import TYPE_CHECKING

import torch

from s2s_cli.decoding.beam import AlignedHypothesis, Hypothesis, empty_hypotheses, search
from s2s_cli.decoding.config import BeamConfig
from s2s_cli.inference.codec import TextCodec
from s2s_cli.inference.config import MbrConfig
from s2s_cli.inference.minimum_bayes_risk import Posterior, expected_bleu
from s2s_cli.inference.replicas import LoadedModel
from s2s_cli.inference.threads import GoOn, in_threads
from s2s_cli.parallel import partition
from s2s_cli.text.nbest import format_entry
from s2s_cli.text.vocabulary import UNK

if TYPE_CHECKING:
    from s2s_cli.decoding.alignment import Aligner

# Batches for each thread from which on it does not matter that the last one is alone.
BATCHES_TO_SHARE = 4
# Hypotheses searched together: enough for full blocks of rows, few enough for small states.
ROWS_OF_BATCH = 1024


@dataclass(frozen=True)
class LineChunk:
    """Consecutive lines of a stream; the first is its line ``first``, from 0."""

    first: int
    lines: list[str]


@dataclass
class Counts:
    """Statistics of a stream, or of a chunk of it; ``flops`` where they are measured.

    Attributes:
        blank: lines without words; their translation is blank.
        empty: lines with words whose translation is blank.
        unknown: words of the source that the model does not know.
    """

    lines: int = 0
    blank: int = 0
    empty: int = 0
    unknown: int = 0
    cut: int = 0
    at_limit: int = 0
    source_words: int = 0
    target_words: int = 0
    flops: int = 0

    def add(self, other: "Counts") -> None:
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


@dataclass(frozen=True)
class ChunkResult:
    """The translation of a chunk: lines of bytes, and when it was made (`time.monotonic`)."""

    text: bytes
    counts: Counts
    begin: float
    end: float


@dataclass(frozen=True)
class ChunkTranslator:
    """A translator of chunks of lines, with any model.

    Attributes:
        config: of what is written.
        batch_size: sentences decoded together.
        aligner: what attention is used for; None if for nothing.
        measure: count floating-point operations.
        risk: how the hypotheses of a beam are ranked, if not by their score.
    """

    config: BeamConfig
    batch_size: int
    aligner: "Aligner | None" = None
    measure: bool = False
    risk: MbrConfig = field(default_factory=MbrConfig)

    def translate(self, model: LoadedModel, chunk: LineChunk) -> ChunkResult:
        """Translate each line, or list its n-best hypotheses; blank lines stay blank.

        A blank line, and a line for which the model has nothing, is never left out; an n-best
        list has an entry with an empty hypothesis for it.
        """
        begin, scorer, codec = time.monotonic(), model.scorer, model.codec
        flops, cut = scorer.flops if self.measure else 0, codec.cut
        lines = [codec.source_words(line) for line in chunk.lines]
        sources = [codec.ids(words) for words in lines]
        found = self.search(model, sources)
        assert len(found) == len(chunk.lines)
        made = self.ranked(model.codec, self.aligned(model, lines, found))
        if self.config.nbest:
            fill_empty(model, sources, made)
        numbered = enumerate(made, chunk.first)
        text = "".join(
            line + "\n"
            for number, hypotheses in numbered
            for line in self.output(model, number, hypotheses)
        )
        counts = count_results(sources, [[each.hypothesis for each in line] for line in made])
        counts.cut = codec.cut - cut
        counts.flops = scorer.flops - flops if self.measure else 0
        return ChunkResult(text.encode(), counts, begin, time.monotonic())

    def search(self, model: LoadedModel, sources: list[list[int]]) -> list[list[Hypothesis]]:
        """Hypotheses of each source; sentences of like length share a batch, the longest first."""
        order = sorted(
            (index for index, source in enumerate(sources) if source),
            key=lambda index: -len(sources[index]),
        )
        device = model.scorer.device
        threads = torch.get_num_threads() if device.type == "cpu" else 1
        batches = batches_of(
            order, [len(sources[index]) for index in order], self.batch_size, threads
        )

        def together(batch: list[int], go_on: GoOn) -> list[list[Hypothesis]]:
            run = partial(search, model.scorer, config=self.searched, go_on=go_on)
            return model.parts.compute_each([sources[index] for index in batch], run)

        found: list[list[Hypothesis]] = [[] for _ in sources]
        for batch, results in zip(batches, in_threads(together, batches, device), strict=True):
            for index, hypotheses in zip(batch, results, strict=True):
                found[index] = hypotheses
        return found

    @property
    def searched(self) -> BeamConfig:
        """The settings of search: by minimum Bayes risk all of a beam is wanted."""
        return replace(self.config, nbest=self.config.beam) if self.risk.mbr else self.config

    def ranked(
        self, codec: TextCodec, found: list[list[AlignedHypothesis]]
    ) -> list[list[AlignedHypothesis]]:
        """The hypotheses to write of each line, best first."""
        if not self.risk.mbr:
            return found
        most = max(1, self.config.nbest)
        return [rank_by_risk(codec, each, self.risk.mbr_scale)[:most] for each in found]

    def aligned(
        self, model: LoadedModel, lines: list[list[str]], found: list[list[Hypothesis]]
    ) -> list[list[AlignedHypothesis]]:
        """The hypotheses ``found`` of each of ``lines`` in words, aligned if that is asked for."""
        if self.aligner:
            return self.aligner.align(model, lines, found)
        pieces = model.codec.pieces
        return [[AlignedHypothesis(each, pieces(each.tokens)) for each in line] for line in found]

    def output(
        self, model: LoadedModel, number: int, hypotheses: list[AlignedHypothesis]
    ) -> Iterator[str]:
        """The lines of sentence ``number``."""
        if self.config.nbest:
            yield from self.nbest_list(model, number, hypotheses)
        else:
            yield best_line(model.codec, hypotheses)

    def nbest_list(
        self, model: LoadedModel, number: int, hypotheses: list[AlignedHypothesis]
    ) -> Iterator[str]:
        """Entries of sentence ``number``: words, log probability of each member, total."""
        aligned = self.aligner is not None and self.aligner.alignments
        for each in hypotheses:
            features = [
                (f"S2S{member}", [log_prob])
                for member, log_prob in enumerate(each.hypothesis.member_log_probs)
            ]
            pairs = each.pairs if aligned else None
            text = " ".join(model.codec.nbest_tokens(each.pieces))
            yield format_entry(number, text, features, each.hypothesis.score, pairs)


def batches_of(order: list[int], lengths: list[int], size: int, threads: int) -> list[list[int]]:
    """Cut the numbers of sentences into batches that keep all threads busy.

    Args:
        order: numbers of sentences.
        lengths: words of each of these.
        size: most sentences of a batch.
        threads: which share the batches. Few batches are of about equal work, as many for each.
    """
    count = -(-len(order) // size)
    if threads > 1 and count < BATCHES_TO_SHARE * threads:
        count = threads * -(-count // threads)
        runs = partition(order, lengths, count) if order else []
    else:
        runs = iter([order])
    return [run[start : start + size] for run in runs for start in range(0, len(run), size)]


def fill_empty(
    model: LoadedModel, sources: list[list[int]], made: list[list[AlignedHypothesis]]
) -> None:
    """Give each source without hypotheses the one without words, with the model's score of it."""
    pairs = zip(sources, made, strict=True)
    lacking = list(dict.fromkeys(tuple(source) for source, each in pairs if not each))
    if not lacking:
        return
    by_source = dict(zip(lacking, empty_hypotheses(model.scorer, lacking), strict=True))
    for source, hypotheses in zip(sources, made, strict=True):
        if not hypotheses:
            hypotheses.append(AlignedHypothesis(by_source[tuple(source)], []))


def rank_by_risk(
    codec: TextCodec, hypotheses: list[AlignedHypothesis], scale: float
) -> list[AlignedHypothesis]:
    """Sort ``hypotheses`` by expected BLEU; of the same text the higher score comes first."""
    if len(hypotheses) < 2:
        return hypotheses
    texts = [" ".join(codec.words(each.pieces)) for each in hypotheses]
    posterior = Posterior(scale)
    for text, each in zip(texts, hypotheses, strict=True):
        posterior.add(text, each.hypothesis.score)
    ranks = {text: rank for rank, text in enumerate(expected_bleu(posterior))}
    order = sorted(range(len(texts)), key=lambda place: ranks[texts[place]])
    return [hypotheses[place] for place in order]


def best_line(codec: TextCodec, hypotheses: list[AlignedHypothesis]) -> str:
    if not hypotheses:
        return ""
    return codec.text(codec.words(hypotheses[0].pieces))


def count_results(sources: list[list[int]], found: list[list[Hypothesis]]) -> Counts:
    counts = Counts(lines=len(sources), source_words=sum(map(len, sources)))
    for source, hypotheses in zip(sources, found, strict=True):
        counts.blank += not source
        counts.unknown += source.count(UNK)
        counts.empty += bool(source) and not (hypotheses and hypotheses[0].tokens)
        if hypotheses:
            counts.target_words += len(hypotheses[0].tokens)
            counts.at_limit += hypotheses[0].at_limit
    return counts
