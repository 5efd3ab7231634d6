"""The development list of minimum error rate training: values and statistics of hypotheses."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter

import torch
from torch import Tensor

from s2s_cli.rescoring.config import MertConfig
from s2s_cli.rescoring.mert import Candidates, maximise_bleu
from s2s_cli.rescoring.rescorer import ScoredSegment
from s2s_cli.rescoring.weights import Weights, weighted_sums
from s2s_cli.rescoring.winners import Average, RowReader, argmax
from s2s_cli.text.features import TOTAL, FeatureLayout
from s2s_cli.text.nbest import Entry

# Statistics of BLEU of a text as the translation of the source with this index.
Counting = Callable[[int, str], Sequence[int]]


class DevelopmentList:
    """The distinct hypotheses of a list, and its winners without weights.

    Attributes:
        listed: text of the highest total of each source, or of the first entry without totals.
        averaged: text of the winner by the paper's even average.
    """

    def __init__(self, sources: int, counting: Counting, reader: RowReader) -> None:
        """Take statistics of a hypothesis from ``counting``."""
        self.counting, self.reader = counting, reader
        self.entries = 0
        self.listed, self.averaged = [""] * sources, [""] * sources
        # A source without hypotheses has a blank one, so that BLEU is that of all lines.
        self.texts: list[list[str]] = [[""] for _ in range(sources)]
        self.rows: list[Tensor | None] = [None] * sources
        self.counts = [counts_tensor([counting(index, "")]) for index in range(sources)]

    def fill(self, segments: Iterable[ScoredSegment]) -> None:
        """Add a scored list.

        Raises:
            UserError: as `RowReader.rows` and `Average.values`.
        """
        average = Average(0.5, self.reader.path)
        own = Average(0.0, self.reader.path)
        for index, entries, scores in merge_runs(segments):
            self.entries += len(entries)
            first = argmax(own.values(entries, scores)) if entries[0].total is not None else 0
            self.listed[index] = joined_words(entries[first])
            self.averaged[index] = joined_words(entries[argmax(average.values(entries, scores))])
            self.take(index, entries, self.reader.rows(entries, scores))

    def take(self, index: int, entries: Sequence[Entry], rows: Sequence[Sequence[float]]) -> None:
        # Of entries with the same values the first wins everywhere.
        distinct: dict[tuple[float, ...], str] = {}
        for entry, row in zip(entries, rows, strict=True):
            distinct.setdefault(tuple(row), joined_words(entry))
        texts = list(distinct.values())
        counted = {text: self.counting(index, text) for text in set(texts)}
        self.texts[index] = texts
        self.rows[index] = torch.tensor(list(distinct), dtype=torch.float64)
        self.counts[index] = counts_tensor([counted[text] for text in texts])

    @property
    def layout(self) -> FeatureLayout:
        return self.reader.layout

    def tuned(self, config: MertConfig) -> Weights:
        """Weights with the highest BLEU, found from the total, the even average and at random."""
        size = sum(self.layout.values())
        nothing = torch.zeros(1, size, dtype=torch.float64)
        rows = [nothing if each is None else each for each in self.rows]
        even = self.start(0.5, 0.5) if TOTAL in self.layout else self.start(0, 1)
        starts = [self.start(1, 0), even] if TOTAL in self.layout else [even]
        weights, _ = maximise_bleu(Candidates.of(rows, self.counts), starts, config)
        return Weights.of_row(self.layout, weights.tolist())

    def start(self, total: float, score: float) -> Tensor:
        """Weights of the total and of the model alone."""
        chosen = {TOTAL: total, self.reader.name: score}
        return torch.tensor(
            [chosen.get(name, 0.0) for name, size in self.layout.items() for _ in range(size)],
            dtype=torch.float64,
        )

    def winners(self, weights: Sequence[float]) -> list[str]:
        """Text of the winner for each source by ``weights``, one for each value of a row."""
        return [
            texts[0] if rows is None else texts[argmax(weighted_sums(rows.tolist(), weights))]
            for texts, rows in zip(self.texts, self.rows, strict=True)
        ]


def merge_runs(segments: Iterable[ScoredSegment]) -> Iterator[ScoredSegment]:
    """Put the runs of a long segment together."""
    for index, runs in groupby(segments, key=itemgetter(0)):
        together = list(runs)
        entries = [entry for _, each, _ in together for entry in each]
        yield index, entries, [score for _, _, each in together for score in each]


def joined_words(entry: Entry) -> str:
    return " ".join(entry.words)


def counts_tensor(counts: Sequence[Sequence[int]]) -> Tensor:
    return torch.tensor(counts, dtype=torch.int32)
