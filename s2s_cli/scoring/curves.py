"""Learning curves, from the metrics file that training leaves."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from s2s_cli.errors import UserError
from s2s_cli.files import bounded_lines, reading
from s2s_cli.scoring.tables import Table

LARGEST_LOG = 700.0  # whose exponential is still a number
LARGEST_NUMBER = 1e15  # update, epoch or learning rate; whole numbers up to it are exact
LARGEST_DRAWN = 1e100  # perplexity
LARGEST_BLEU = 100.0
LEAST_PERPLEXITY = 0.5  # it is 1, but for rounding


@dataclass(frozen=True)
class MetricsEntry:
    """One line of the metrics file.

    Attributes:
        update, epoch: done by then.
        training: perplexity of the training words since the line before; None for a validation.
        validation: perplexity of the validation text; None for a stretch of training.
        learning_rate: of the next update; None for a validation.
        bleu: of translations of the validation text; None where it was not computed.
    """

    update: int
    epoch: float
    training: float | None
    validation: float | None
    learning_rate: float | None
    bleu: float | None = None


@dataclass(frozen=True)
class LearningCurve:
    """The course of one training."""

    name: str
    entries: list[MetricsEntry]

    def training(self) -> list[tuple[float, float]]:
        """Epoch and perplexity of each stretch, where it can be drawn."""
        return drawn((each.epoch, each.training) for each in self.entries)

    def validation(self) -> list[tuple[float, float]]:
        """Epoch and perplexity of each validation, likewise."""
        return drawn((each.epoch, each.validation) for each in self.entries)

    def bleu(self) -> list[tuple[float, float]]:
        """Epoch and BLEU of each validation that computed it."""
        return [(each.epoch, each.bleu) for each in self.entries if each.bleu is not None]

    def drops(self) -> list[float]:
        """Epochs after which the learning rate was lower than before."""
        rates = [
            (each.epoch, each.learning_rate)
            for each in self.entries
            if each.learning_rate is not None
        ]
        return [epoch for (_, before), (epoch, after) in pairwise(rates) if after < before]


def drawn(points: Iterable[tuple[float, float | None]]) -> list[tuple[float, float]]:
    """Leave out points without a value, and those of a training that is far off all scales."""
    return [
        (epoch, value) for epoch, value in points if value is not None and value <= LARGEST_DRAWN
    ]


def read_curve(name: str, path: Path) -> LearningCurve:
    """The metrics file at ``path``; a last line that is being written is left out.

    Raises:
        UserError: no such file, a line that is none of a metrics file, or no line at all.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; a training writes it into its model directory")
    entries = []
    with reading(path) as stream:
        for number, line in enumerate(bounded_lines(stream, path), 1):
            if not line.endswith(b"\n"):
                break
            try:
                entries.append(parse_metrics(line))
            except (ValueError, RecursionError) as error:
                what = str(error) if type(error) is ValueError else "it is not JSON"
                raise UserError(
                    f"{path}:{number}: not a line of a metrics file: {what}; remove the line"
                ) from None
    if not entries:
        raise UserError(f"{path}: nothing has been measured yet")
    return LearningCurve(name, entries)


def parse_metrics(line: bytes) -> MetricsEntry:
    """Read one line.

    Raises:
        ValueError, RecursionError: it is malformed; a plain `ValueError` says how.
    """
    entry = json.loads(line)
    if not isinstance(entry, dict):
        raise ValueError("it is not an object")
    if not {"loss", "validation_perplexity"} & set(entry):
        raise ValueError("it has neither loss nor validation_perplexity")
    update, epoch = bounded(entry, "update"), bounded(entry, "epoch")
    if update is None or epoch is None:
        raise ValueError("it has no update or no epoch")
    if not update.is_integer():
        raise ValueError("update is not a whole number")
    loss = number(entry, "loss")
    return MetricsEntry(
        update=int(update),
        epoch=epoch,
        training=checked_perplexity(None if loss is None else exponential(loss)),
        validation=checked_perplexity(number(entry, "validation_perplexity")),
        learning_rate=bounded(entry, "learning_rate"),
        bleu=checked_bleu(number(entry, "validation_bleu")),
    )


def number(entry: dict[str, Any], name: str) -> float | None:
    """Read a number, which may be null or missing; infinity where no float is as large."""
    value = entry.get(name)
    if value is None:
        return None
    if type(value) not in (int, float):
        raise ValueError(f"{name} is not a number")
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def exponential(value: float) -> float:
    return math.inf if value > LARGEST_LOG else math.exp(value)


def bounded(entry: dict[str, Any], name: str) -> float | None:
    """Read a number that no training has larger than `LARGEST_NUMBER`; it may be missing."""
    value = number(entry, name)
    if value is not None and not 0 <= value <= LARGEST_NUMBER:
        raise ValueError(f"{name} is not a number from 0 to {LARGEST_NUMBER:.0e}")
    return value


def checked_perplexity(value: float | None) -> float | None:
    """Check a perplexity; None where there is none, or it is not finite."""
    if value is None or not math.isfinite(value):
        return None
    if value < LEAST_PERPLEXITY:
        raise ValueError("its perplexity is below 1")
    return value


def checked_bleu(value: float | None) -> float | None:
    """Check a BLEU, of which there may be none."""
    if value is not None and not 0 <= value <= LARGEST_BLEU:
        raise ValueError("validation_bleu is not a number from 0 to 100")
    return value


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
        "validation_bleu",
    ]  # fmt: skip
    return Table(columns, [row for curve in curves for row in rows(curve)])


def rows(curve: LearningCurve) -> Iterator[list[str]]:
    for each in curve.entries:
        values = (each.epoch, each.training, each.validation, each.learning_rate, each.bleu)
        told = ("" if value is None else f"{value:.6g}" for value in values)
        yield [curve.name, str(each.update), *told]
