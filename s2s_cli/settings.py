"""Settings are fields of dataclasses; a field carries its help and its bounds to the command line.

A room keeps its settings beside its code, and the command line, ``s2s.toml`` and ``--dump-config``
are made from them, so a name, a default and a help text are written once.
"""

import dataclasses
from typing import TypeVar

T = TypeVar("T")


def setting(
    default: T,
    help: str,
    *,
    min: float | None = None,
    max: float | None = None,
    panel: str | None = None,
) -> T:
    """A dataclass field with what the command line needs to know about it.

    ``min`` and ``max`` are inclusive bounds; ``panel`` is the heading in ``--help``.
    """
    metadata = {"help": help, "min": min, "max": max, "panel": panel}
    return dataclasses.field(default=default, metadata=metadata)
