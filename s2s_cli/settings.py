"""Fields of settings dataclasses, which carry help and bounds to the command line.

A room keeps its settings beside its code, and the command line, ``s2s.toml`` and ``--dump-config``
are made from them, so a name, a default and a help text are written once.

Bounds of one field are checked by the command line. What several fields must agree in is checked by
a method ``check`` of the dataclass, or a function ``check_...`` of its room, which a command calls
first; it raises `s2s_cli.errors.UsageError`.
"""

import dataclasses
from typing import Any, TypeVar

from s2s_cli.errors import UsageError

T = TypeVar("T")

# A number closer to 0 is a slip: where 0 means that something is off, it is not.
SMALLEST = 1e-12
# For counts that nothing else bounds: more than any machine has or anybody waits for.
MANY = 1_000_000_000
MOST_THREADS = 1024
MOST_GPUS = 64
# The heading in ``--help`` of options about devices and processors, of any command.
HARDWARE = "Hardware"
LONGEST_SHOWN = 40


@dataclasses.dataclass(frozen=True)
class Writes:
    """Mark of an option that names a file or directory to write.

    Attributes:
        when: another option, without which this one names something to read; none: always.
    """

    when: str = ""


WRITES = Writes()


def setting(
    default: T,
    help: str,
    *,
    min: float | None = None,
    max: float | None = None,
    panel: str | None = None,
    writes: Writes | None = None,
    hidden: bool = False,
) -> T:
    """Make a dataclass field with its help and bounds for the command line.

    ``min`` and ``max`` are inclusive bounds, which every number has; ``panel`` is the heading in
    ``--help``; ``writes`` marks a path that is written; ``hidden`` leaves the option out of it.
    """
    metadata = {"help": help, "min": min, "max": max, "panel": panel, "writes": writes}
    metadata["hidden"] = hidden
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Bounds:
    """The range of a number, both ends in it."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"at least {self.low:,} and at most {self.high:,}"

    def complaint(self, value: float) -> str | None:
        """Describe the range that ``value`` is not in; None for one that is."""
        if not self.low <= value <= self.high:  # nor is nan
            return f"must be {self}"
        if 0 < abs(value) < SMALLEST:
            return f"must be 0, or {Bounds(SMALLEST, self.high)}"
        return None


def check_bounds(settings: Any) -> None:
    """Check the bounds of settings that were not made by the command line.

    Raises:
        UsageError: a value is not between its bounds.
    """
    for field in dataclasses.fields(settings):
        value, low, high = (
            getattr(settings, field.name),
            field.metadata["min"],
            field.metadata["max"],
        )
        if low is not None and (complaint := Bounds(low, high).complaint(value)):
            raise UsageError(f"--{field.name.replace('_', '-')} {shortened(value)}: {complaint}")


def shortened(value: object) -> str:
    """``value`` as a message has it, which may be hundreds of digits."""
    text = str(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
