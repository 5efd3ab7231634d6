"""The winner of each segment of a scored list."""

import math
import sys
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Protocol

from s2s_cli.console import warn
from s2s_cli.errors import UserError
from s2s_cli.files import name_of
from s2s_cli.inference.codec import unknown_words
from s2s_cli.inference.minimum_bayes_risk import (
    MOST_COMPARED,
    Posterior,
    expected_bleu,
    text_words,
)
from s2s_cli.rescoring.rescorer import ListCounts, ScoredSegment
from s2s_cli.rescoring.weights import Weights, weighted_sums
from s2s_cli.text.features import FeatureLayout, FeatureReader, describe_names, has_feature
from s2s_cli.text.nbest import Entry

# Above this share of words unknown to the model, the list was probably tokenised otherwise.
UNKNOWN_SHARE = 0.1


class Choice(Protocol):
    """A way to choose among the entries of a segment.

    Attributes:
        unit: number that the scores were divided by to become values.
    """

    unit: float

    def values(self, entries: Sequence[Entry], scores: Sequence[float]) -> list[float]:
        """A value for each of ``entries``, given the model's ``scores``; the highest wins."""

    def warn(self) -> None:
        """Warn of what the user may not expect, once all entries were looked at."""


class Average:
    """The highest (1 - weight) · total + weight · log probability.

    With a weight of 0.5 the paper's even average (§3.2). Where the list has no totals, the
    highest log probability.

    Attributes:
        has_totals: None while no entry was looked at.
    """

    def __init__(self, weight: float, path: Path, *, union: bool = False) -> None:
        """Take ``union`` for several lists, whose totals do not compare."""
        self.union = union
        self.weight, self.path, self.unit = weight, path, 1.0
        self.has_totals: bool | None = None

    def values(self, entries: Sequence[Entry], scores: Sequence[float]) -> list[float]:
        """See `Choice`.

        Raises:
            UserError: some entries have a total and some have none.
        """
        for entry in entries:
            if self.has_totals is None:
                self.has_totals = entry.total is not None
            if (entry.total is not None) != self.has_totals:
                raise UserError(
                    f"{name_of(self.path)}:{entry.number}: some hypotheses have a total, some none"
                )
        return [
            score if entry.total is None else (1 - self.weight) * entry.total + self.weight * score
            for entry, score in zip(entries, scores, strict=True)
        ]

    def warn(self) -> None:
        """See `Choice`."""
        if self.has_totals is False:
            why = (
                "totals of several lists do not compare" if self.union else "the list has no totals"
            )
            warn(f"{name_of(self.path)}: {why}; winners are chosen by the model alone")


class RowReader:
    """A reader of the entries of a scored list as rows of values, the model's score among them.

    Attributes:
        layout: names and numbers of values; known from the first entry on, and longer when a
            feature comes up later: then earlier rows are shorter, as if with zeros.
    """

    def __init__(self, path: Path, name: str) -> None:
        """Take the feature ``name`` for the score; it is added where the list does not have it."""
        self.path, self.name = path, name
        self._reader: FeatureReader | None = None
        self._kept = False

    @property
    def layout(self) -> FeatureLayout:
        return self._reader.layout if self._reader else {}

    @property
    def sparse(self) -> frozenset[str]:
        """The features that some entries do not have."""
        return frozenset(self._reader.lacking if self._reader else ())

    def rows(self, entries: Sequence[Entry], scores: Sequence[float]) -> list[list[float]]:
        """A row for each entry.

        Raises:
            UserError: as `FeatureReader`.
        """
        if self._reader is None:
            self._kept = has_feature(entries[0], self.name)
            self._reader = FeatureReader(self.path, entries[0], None if self._kept else self.name)
        if self._kept:
            return [self._reader.row(entry) for entry in entries]
        return [self._reader.row(*each) for each in zip(entries, scores, strict=True)]

    def warn_of_sparse(self) -> None:
        """Name the features that count 0 in some entries."""
        lacking = self._reader.lacking if self._reader else {}
        if lacking:
            named = [f"{name} (line {line})" for name, line in lacking.items()]
            warn(
                f"{name_of(self.path)}: features that some entries do not have, first in this "
                f"line, count 0 there: {describe_names(named)}"
            )


class Weighted:
    """The highest sum of all features, weighted."""

    def __init__(self, weights: Weights, weights_path: Path, reader: RowReader) -> None:
        self.weights, self.path, self.reader = weights.scaled(), weights_path, reader
        self.unit = size_ratio(weights, self.weights)
        self._row: list[float] = []

    def values(self, entries: Sequence[Entry], scores: Sequence[float]) -> list[float]:
        """See `Choice`.

        Raises:
            UserError: the list does not have the features that there are weights for.
        """
        rows = self.reader.rows(entries, scores)
        if len(self._row) != sum(self.reader.layout.values()):
            self._row = self.weights.row(self.reader.layout, self.path)
        return weighted_sums(rows, self._row)

    def warn(self) -> None:
        """See `Choice`."""
        layout = self.reader.layout
        without = [f"{name} ({size})" for name, size in layout.items() if name not in self.weights]
        if without:
            warn(f"{self.path}: no weights for {describe_names(without)}: they count nothing")
        self.reader.warn_of_sparse()


def size_ratio(weights: Weights, scaled: Weights) -> float:
    """Find the power of two that ``scaled`` weights were divided by, or the largest that there is.

    As long as it is finite, it turns values back into sums by ``weights``.
    """
    for name, values in weights.values.items():
        for one, other in zip(values, scaled.values[name], strict=True):
            if other:
                exponent = math.frexp(one)[1] - math.frexp(other)[1]
                return math.ldexp(1, min(exponent, sys.float_info.max_exp - 1))
    return 1.0


def winners(segments: Iterable[ScoredSegment], sources: int, choice: Choice) -> list[Entry | None]:
    """The best entry for each source; None where the list has no segment for it."""
    best: list[Entry | None] = [None] * sources
    highest = [-math.inf] * sources
    for index, entries, scores in segments:
        values = choice.values(entries, scores)
        place = argmax(values)
        # A long segment comes in several runs; of equal ones the first wins.
        if best[index] is None or values[place] > highest[index]:
            best[index], highest[index] = entries[place], values[place]
    choice.warn()
    return best


def lowest_risks(
    segments: Iterable[ScoredSegment], sources: int, choice: Choice, scale: float
) -> list[list[str] | None]:
    """The words with the highest expected BLEU for each source; None where the list has nothing.

    Probabilities are as exp(``scale`` · score), by the scores of ``choice``.
    """
    best: list[list[str] | None] = [None] * sources
    scale, shortened = scale * choice.unit, 0
    for index, runs in groupby(segments, key=itemgetter(0)):
        posterior = Posterior(scale)
        for _, entries, scores in runs:
            for entry, value in zip(entries, choice.values(entries, scores), strict=True):
                posterior.add(" ".join(entry.words), value)
        best[index] = text_words(next(iter(expected_bleu(posterior))))
        shortened += posterior.omitted > 0
    choice.warn()
    if shortened:
        warn(
            f"{shortened} segments have more than {MOST_COMPARED:,} different hypotheses: of these "
            "the most probable are compared"
        )
    return best


def argmax(values: Sequence[float]) -> int:
    """The index of the highest of ``values``; of equal ones the first."""
    return max(range(len(values)), key=values.__getitem__)


def warn_of_list(path: Path, counts: ListCounts, missing: Sequence[int]) -> None:
    """Warn of a list that may not be as the user expects."""
    name = name_of(path)
    if missing:
        shown = ", ".join(map(str, missing[:10])) + (", ..." if len(missing) > 10 else "")
        warn(f"{name}: no hypotheses for {len(missing)} of the sources (ids {shown}): blank lines")
    if problem := unknown_words(counts.source_unknown, counts.source_words):
        warn(problem)
    if counts.unknown > UNKNOWN_SHARE * counts.words:
        warn(
            f"{name}: {counts.unknown / counts.words:.0%} of its words are unknown to the model; "
            "is the list tokenised as the model's training text was?"
        )
