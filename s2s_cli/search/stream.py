"""Decoding a stream: every line in is a line out, in order, in bounded memory."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from s2s_cli.search.beam import Hypothesis, search
from s2s_cli.search.config import BeamConfig
from s2s_cli.search.scorer import Scorer
from s2s_cli.search.sentences import Sentences
from s2s_cli.text.nbest import format_entry

# Lines read ahead: enough to find sentences of like length for every batch.
LOOKAHEAD_BATCHES = 16
MOST_LOOKAHEAD = 2048
# Hypotheses searched together: enough for full blocks of rows, few enough for small states.
ROWS = 1024


@dataclass
class Counts:
    """What happened to a stream."""

    lines: int = 0
    blank: int = 0
    at_limit: int = 0
    source_words: int = 0
    target_words: int = 0
    seconds: float = 0.0


class Decoder:
    """A model or ensemble that turns lines into lines."""

    def __init__(
        self, scorer: Scorer, sentences: Sentences, config: BeamConfig, batch_size: int = 0
    ) -> None:
        """Decode up to ``batch_size`` sentences together; 0: as many as fill the processor."""
        self.scorer, self.sentences, self.config = scorer, sentences, config
        self.batch_size = batch_size or max(1, ROWS // config.beam)
        self.counts = Counts()

    @property
    def lookahead(self) -> int:
        """Lines worth having before decoding starts."""
        return max(self.batch_size, min(LOOKAHEAD_BATCHES * self.batch_size, MOST_LOOKAHEAD))

    def decode(self, lines: Sequence[str]) -> Iterator[str]:
        """For each of ``lines`` the translation, or its n-best list; blank lines stay blank.

        A blank line, and a line for which the model has nothing, is never left out; an n-best
        list has an entry with an empty hypothesis for it.
        """
        begin = time.monotonic()
        sources = [self.sentences.source_ids(line) for line in lines]
        found = self.search(sources)
        for number, hypotheses in enumerate(found, self.counts.lines):
            if self.config.nbest:
                yield from self.nbest_list(number, hypotheses)
            else:
                yield self.best_line(hypotheses)
        self.count(sources, found, time.monotonic() - begin)
        assert len(found) == len(lines)

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

    def best_line(self, hypotheses: list[Hypothesis]) -> str:
        if not hypotheses:
            return ""
        return self.sentences.text(self.sentences.words(hypotheses[0].tokens))

    def nbest_list(self, number: int, hypotheses: list[Hypothesis]) -> Iterator[str]:
        """Entries of sentence ``number``: words, log probability of each member, total."""
        if not hypotheses:
            yield format_entry(number, "", [], 0.0)
        for each in hypotheses:
            features = [
                (f"S2S{member}", [log_prob])
                for member, log_prob in enumerate(each.member_log_probs)
            ]
            text = " ".join(self.sentences.words(each.tokens))
            yield format_entry(number, text, features, each.score)

    def count(self, sources: list[Any], found: list[list[Hypothesis]], seconds: float) -> None:
        counts = self.counts
        counts.lines += len(sources)
        counts.seconds += seconds
        counts.source_words += sum(map(len, sources))
        for source, hypotheses in zip(sources, found, strict=True):
            counts.blank += not source
            if hypotheses:
                counts.target_words += len(hypotheses[0].tokens)
                counts.at_limit += hypotheses[0].at_limit
