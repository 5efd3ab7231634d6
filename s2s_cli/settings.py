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


def setting(
    default: T,
    help: str,
    *,
    min: float | None = None,
    max: float | None = None,
    panel: str | None = None,
) -> T:
    """Make a dataclass field with its help and bounds for the command line.

    ``min`` and ``max`` are inclusive bounds; ``panel`` is the heading in ``--help``.
    """
    metadata = {"help": help, "min": min, "max": max, "panel": panel}
    return dataclasses.field(default=default, metadata=metadata)


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
        if (low is not None and not value >= low) or (high is not None and not value <= high):
            between = f"at least {low}" if high is None else f"between {low} and {high}"
            raise UsageError(f"--{field.name.replace('_', '-')} {value}: must be {between}")
