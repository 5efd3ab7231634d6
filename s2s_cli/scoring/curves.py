"""Learning curves, from the metrics file that training leaves."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from s2s_cli.errors import UserError
from s2s_cli.files import read_lines
from s2s_cli.scoring.tables import Table

LARGEST_LOG = 700.0  # whose exponential is still a number


@dataclass(frozen=True)
class MetricsEntry:
    """One line of the metrics file.

    Attributes:
        update, epoch: done by then.
        training: perplexity of the training words since the line before; None for a validation.
        validation: perplexity of the validation text; None for a stretch of training.
        learning_rate: of the next update; None for a validation.
    """

    update: int
    epoch: float
    training: float | None
    validation: float | None
    learning_rate: float | None


@dataclass(frozen=True)
class LearningCurve:
    """The course of one training."""

    name: str
    entries: list[MetricsEntry]

    def training(self) -> list[tuple[float, float]]:
        """Epoch and perplexity of each stretch."""
        return [(each.epoch, each.training) for each in self.entries if each.training is not None]

    def validation(self) -> list[tuple[float, float]]:
        """Epoch and perplexity of each validation."""
        return [
            (each.epoch, each.validation) for each in self.entries if each.validation is not None
        ]

    def drops(self) -> list[float]:
        """Epochs after which the learning rate was lower than before."""
        rates = [
            (each.epoch, each.learning_rate)
            for each in self.entries
            if each.learning_rate is not None
        ]
        return [epoch for (_, before), (epoch, after) in pairwise(rates) if after < before]


def read_curve(name: str, path: Path) -> LearningCurve:
    """The metrics file at ``path``; a last line that is being written is left out.

    Raises:
        UserError: no such file, a line that is none of a metrics file, or no line at all.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; a training writes it into its model directory")
    lines = list(read_lines(path))
    entries = []
    for number, line in enumerate(lines, 1):
        try:
            entries.append(parse_metrics(json.loads(line)))
        except (ValueError, TypeError, KeyError, AttributeError):
            if number < len(lines):
                raise UserError(f"{path}:{number}: not a line of a metrics file") from None
    if not entries:
        raise UserError(f"{path}: nothing has been measured yet")
    return LearningCurve(name, entries)


def parse_metrics(entry: dict[str, Any]) -> MetricsEntry:
    """Read one line.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: it is malformed.
    """
    loss, rate = entry.get("loss"), entry.get("learning_rate")
    return MetricsEntry(
        update=int(entry["update"]),
        epoch=float(entry["epoch"]),
        training=None if loss is None else finite_or_none(math.exp(min(float(loss), LARGEST_LOG))),
        validation=finite_or_none(entry.get("validation_perplexity")),
        learning_rate=None if rate is None else float(rate),
    )


def finite_or_none(value: float | None) -> float | None:
    """``value`` as a number, or None where there is none or it cannot be drawn."""
    return None if value is None or not math.isfinite(value) else float(value)


def thinned(points: Sequence[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    """At most ``most`` points: the mean epoch, and the mean of the logarithms, of neighbours.

    Args:
        points: epoch and perplexity.
        most: at least 1.
    """
    size = -(-len(points) // most) or 1
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [
        (
            math.fsum(epoch for epoch, _ in group) / len(group),
            math.exp(math.fsum(math.log(value) for _, value in group) / len(group)),
        )
        for group in groups
    ]


def curves_table(curves: Sequence[LearningCurve]) -> Table:
    """A row for each line of each metrics file."""
    columns = [
        "model", "update", "epoch", "training_perplexity", "validation_perplexity", "learning_rate",
    ]  # fmt: skip
    return Table(columns, [row for curve in curves for row in rows(curve)])


def rows(curve: LearningCurve) -> Iterator[list[str]]:
    for each in curve.entries:
        values = (each.epoch, each.training, each.validation, each.learning_rate)
        told = ("" if value is None else f"{value:.6g}" for value in values)
        yield [curve.name, str(each.update), *told]
