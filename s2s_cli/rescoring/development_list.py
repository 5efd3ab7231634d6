"""The list that weights are tuned on: values and statistics of BLEU of its hypotheses."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

import torch
from torch import Tensor
from torch.nn.functional import pad

from s2s_cli.errors import UserError
from s2s_cli.files import name_of
from s2s_cli.rescoring.candidates import Candidates, bleu
from s2s_cli.rescoring.config import TunerConfig
from s2s_cli.rescoring.rescorer import ScoredSegment
from s2s_cli.rescoring.tuners import run_tuner
from s2s_cli.rescoring.weights import Weights, rounded, weighted_sums
from s2s_cli.rescoring.winners import Average, RowReader, argmax
from s2s_cli.text.features import TOTAL, FeatureLayout, describe_value
from s2s_cli.text.nbest import Entry

# Sums that are the same, added up in another order, give BLEU that differs by less.
BLEU_ROUNDING = 1e-9
# Values that are in memory together: 8 GiB, and as much once more while they are put in units.
MOST_VALUES = 1 << 30

# Statistics of BLEU of a text as the translation of the source with this index.
Counting = Callable[[int, str], Sequence[int]]


@dataclass(frozen=True)
class Tuned:
    """Weights that a tuner found.

    Attributes:
        weights: with 0 for what the list says nothing about.
        silent: names of that.
    """

    weights: Weights
    silent: Sequence[str]


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
            UserError: as `RowReader.rows` and `Average.values`; too large a list.
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
        size = sum(self.layout.values())
        if self.entries * size > MOST_VALUES:
            raise UserError(
                f"{name_of(self.reader.path)}:{entries[-1].number}: {self.entries:,} hypotheses "
                f"with {size:,} values each are more than --tune holds in memory; take shorter "
                "lists, or fewer features"
            )
        # Of entries with the same values the first wins everywhere.
        distinct: dict[tuple[float, ...], str] = {}
        for entry, row in zip(entries, rows, strict=True):
            whole = (*row, *[0.0] * (size - len(row)))
            distinct.setdefault(whole, joined_words(entry))
        texts = list(distinct.values())
        counted = {text: self.counting(index, text) for text in set(texts)}
        self.texts[index] = texts
        self.rows[index] = torch.tensor(list(distinct), dtype=torch.float64)
        self.counts[index] = counts_tensor([counted[text] for text in texts])

    @property
    def layout(self) -> FeatureLayout:
        return self.reader.layout

    def tuned(self, config: TunerConfig) -> Tuned:
        """Find weights with high BLEU.

        They rank this list at least as well as its totals do, or its order where it has none, and
        as the even average does: ranked as `Weighted` will, with the digits that the file keeps.
        """
        starts = self.starts()
        candidates = Candidates.of(self.padded_rows(), self.counts)
        begin = [candidates.weights(start) for start in starts]
        found = run_tuner(candidates, begin, config) if candidates.features else []
        used = set(candidates.features)
        constant = [n for n in range(candidates.row_size) if n not in used]
        # What says nothing has no weight, unless its rounding errors rank best.
        without = [candidates.row(weights) for weights in begin]
        nothing = [] if TOTAL in self.layout else [[0.0] * candidates.row_size]
        ascents = [(height, candidates.row(weights)) for height, weights in found]
        best, height = self.best(ascents, [*without, *nothing, *starts])
        assert height >= max(map(self.bleu, (self.listed, self.averaged))) - BLEU_ROUNDING
        silent = [describe_value(self.layout, n) for n in constant if not best[n]]
        return Tuned(Weights.of_row(self.layout, best, self.reader.sparse), silent)

    def best(
        self, found: Sequence[tuple[float, list[float]]], others: Sequence[list[float]]
    ) -> tuple[list[float], float]:
        """Choose weights as the winners' BLEU says, by the sums of `weighted_sums`.

        Args:
            found: weights, with BLEU as the tuner has it.
            others: weights without.
        """
        best, highest = [0.0] * sum(self.layout.values()), -1.0
        ordered = sorted(found, key=lambda pair: pair[0], reverse=True)
        for expected, weights in [*ordered, *((101.0, weights) for weights in others)]:
            # Most tuners are right about their BLEU: then those below it are not looked at.
            if expected > highest:
                row = [rounded(weight) for weight in weights]
                if (value := self.bleu(self.winners(row))) > highest:
                    best, highest = row, value
        return best, highest

    def bleu(self, texts: Sequence[str]) -> float:
        """Corpus BLEU of a text for each source."""
        counts = [self.counting(index, text) for index, text in enumerate(texts)]
        return float(bleu(counts_tensor(counts).sum(0)))

    def padded_rows(self) -> list[Tensor]:
        """The rows of each source, of one length; one of zeros where there are no hypotheses."""
        size = sum(self.layout.values())
        empty = torch.zeros(1, size, dtype=torch.float64)
        return [
            empty if each is None else pad(each, (0, size - each.shape[1])) for each in self.rows
        ]

    def starts(self) -> list[list[float]]:
        """Weights of a row that rank by the total alone, and by the even average."""
        if TOTAL in self.layout:
            return [self.start(1, 0), self.start(0.5, 0.5)]
        return [self.start(0, 1)]

    def start(self, total: float, score: float) -> list[float]:
        chosen = {TOTAL: total, self.reader.name: score}
        return [chosen.get(name, 0.0) for name, size in self.layout.items() for _ in range(size)]

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
