"""Weights of an n-best list's features: their file, and sums by them."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import starmap
from operator import mul
from pathlib import Path
from typing import Any

from s2s_cli.errors import UserError
from s2s_cli.files import existing, replacing
from s2s_cli.text.features import FeatureLayout, describe_layout
from s2s_cli.toml import parse_toml, toml_section


@dataclass(frozen=True)
class Weights:
    """A weight for each value of each feature.

    Attributes:
        values: by name of the feature.
        facts: sections on how they came about, for the file.
    """

    values: Mapping[str, Sequence[float]]
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of_row(cls, layout: FeatureLayout, row: Sequence[float]) -> "Weights":
        """Split ``row`` into the features of ``layout``, with the digits that the file keeps."""
        rest = iter(row)
        return cls(
            {name: [rounded(next(rest)) for _ in range(size)] for name, size in layout.items()}
        )

    @classmethod
    def read(cls, path: Path) -> "Weights":
        """The section [weights] of the file that `write` made, or a person.

        Raises:
            UserError: missing file, no TOML, no weights, or weights that are no finite numbers.
        """
        section = parse_toml(existing(path).read_bytes(), path).get("weights")
        if not isinstance(section, dict) or not section:
            raise UserError(f"{path}: no section [weights] with a line for each feature")
        values = {}
        for name, given in section.items():
            values[name] = given if isinstance(given, list) else [given]
            if not values[name] or not all(map(is_weight, values[name])):
                raise UserError(
                    f"{path}: the weight of {name} must be a finite number, or a list of some"
                )
        return cls(values)

    def write(self, path: Path) -> None:
        """Write ``path`` as TOML, whole or not at all."""
        sections = {**self.facts, "weights": self.values}
        with replacing(path) as stream:
            stream.write("\n".join(starmap(toml_section, sections.items())).encode())

    def row(self, layout: FeatureLayout, path: Path) -> list[float]:
        """A weight for each value of a row with ``layout``, 0 for features without weights.

        Args:
            layout: the list's features.
            path: where the weights come from.

        Raises:
            UserError: weights for a feature that the list has not, or has in another number.
        """
        for name, weights in self.values.items():
            if name not in layout:
                raise UserError(
                    f"{path}: weights of the feature {name}, which the list has not; it has "
                    f"{describe_layout(layout)}"
                )
            if len(weights) != layout[name]:
                raise UserError(
                    f"{path}: {len(weights)} weights of the feature {name}, which has "
                    f"{layout[name]} values in the list"
                )
        return [
            float(weight)
            for name, size in layout.items()
            for weight in self.values.get(name, [0.0] * size)
        ]


def weighted_sums(rows: Sequence[Sequence[float]], weights: Sequence[float]) -> list[float]:
    return [sum(map(mul, weights, row)) for row in rows]


def rounded(weight: float) -> float:
    return float(f"{weight:.9g}")


def is_weight(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max  # which neither nan nor 10**400 is
