"""The winner of each segment of a scored list."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from s2s_cli.console import warn
from s2s_cli.errors import UserError
from s2s_cli.search.nbest import Scored, Seen
from s2s_cli.search.weights import Weights, best_row
from s2s_cli.text.features import FeatureReader, described
from s2s_cli.text.nbest import Entry

# Above this share of words unknown to the model, the list was probably tokenised otherwise.
UNKNOWN_SHARE = 0.1


class Choice(Protocol):
    """A way to choose among the entries of a segment."""

    def best(self, entries: Sequence[Entry], scores: Sequence[float]) -> int:
        """Which of ``entries`` wins, given the model's score of each; of equal ones the first."""


class Average:
    """The highest (1 - weight) · total + weight · log probability.

    With a weight of 0.5 the paper's even average (§3.2). Where the list has no totals, the
    highest log probability.

    Attributes:
        has_totals: None while nothing was seen.
    """

    def __init__(self, weight: float, path: Path) -> None:
        self.weight, self.path = weight, path
        self.has_totals: bool | None = None

    def best(self, entries: Sequence[Entry], scores: Sequence[float]) -> int:
        """See `Choice`.

        Raises:
            UserError: some entries have a total and some have none.
        """
        for entry in entries:
            if self.has_totals is None:
                self.has_totals = entry.total is not None
            if (entry.total is not None) != self.has_totals:
                raise UserError(
                    f"{self.path}:{entry.number}: some hypotheses have a total, some none"
                )
        combined = [
            score if entry.total is None else (1 - self.weight) * entry.total + self.weight * score
            for entry, score in zip(entries, scores, strict=True)
        ]
        return max(range(len(entries)), key=combined.__getitem__)


class RowReader:
    """Reads the entries of a scored list as rows of values, the model's score among them.

    Attributes:
        layout: names and numbers of values; known from the first entry on.
    """

    def __init__(self, path: Path, name: str) -> None:
        """``name`` is the feature that holds the score; it is added where the list has it not."""
        self.path, self.name = path, name
        self.layout: dict[str, int] = {}
        self._reader: FeatureReader | None = None

    def rows(self, entries: Sequence[Entry], scores: Sequence[float]) -> list[list[float]]:
        """A row for each entry.

        Raises:
            UserError: as `FeatureReader`.
        """
        if self._reader is None:
            self._reader = FeatureReader(self.path, entries[0])
            self.layout = {**self._reader.layout, self.name: 1}
        reader = self._reader
        if self.name in reader.layout:
            return [reader.row(entry) for entry in entries]
        return [[*reader.row(entry), score] for entry, score in zip(entries, scores, strict=True)]


class Weighted:
    """The highest sum of all features, weighted."""

    def __init__(self, weights: Weights, weights_path: Path, reader: RowReader) -> None:
        self.weights, self.path, self.reader = weights, weights_path, reader
        self._row: list[float] = []

    def best(self, entries: Sequence[Entry], scores: Sequence[float]) -> int:
        """See `Choice`.

        Raises:
            UserError: the list does not have the features that there are weights for.
        """
        rows = self.reader.rows(entries, scores)
        if not self._row:
            layout = self.reader.layout
            self._row = self.weights.row(layout, self.path)
            without = {name: layout[name] for name in layout if name not in self.weights.values}
            if without:
                warn(f"{self.path}: no weights for {described(without)}: they count nothing")
        return best_row(rows, self._row)


def winners(segments: Iterable[Scored], sources: int, choice: Choice) -> list[Entry | None]:
    """The best entry for each source; None where the list has no segment for it."""
    best: list[Entry | None] = [None] * sources
    for index, entries, scores in segments:
        best[index] = entries[choice.best(entries, scores)]
    return best


def warn_about(path: Path, seen: Seen, missing: Sequence[int]) -> None:
    """Say what may not be as the user expects."""
    if missing:
        shown = ", ".join(map(str, missing[:10])) + (", ..." if len(missing) > 10 else "")
        warn(f"{path}: no hypotheses for {len(missing)} of the sources (ids {shown}): blank lines")
    if seen.unknown > UNKNOWN_SHARE * seen.words:
        warn(
            f"{path}: {seen.unknown / seen.words:.0%} of its words are unknown to the model; "
            "is the list tokenised as the model's training text was?"
        )
