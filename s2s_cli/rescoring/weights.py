"""Weights of an n-best list's features: their file, and sums by them."""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import starmap
from operator import mul
from pathlib import Path
from typing import Any, BinaryIO

from s2s_cli.console import counted
from s2s_cli.errors import UserError
from s2s_cli.files import existing, read_bounded
from s2s_cli.text.features import FeatureLayout, describe_layout
from s2s_cli.toml import parse_toml, toml_section

ABOUT_ONE = 1 + 1e-6  # sizes that add up to 1 may add up to more when they are rounded
DENSE, SPARSE = "weights", "sparse-weights"  # sections of the file


@dataclass(frozen=True)
class Weights:
    """A weight for each value of each feature.

    Attributes:
        values: by name of the feature.
        facts: sections on how they came about, for the file.
        sparse: features that entries, and whole lists, may not have; they are 0 there.
    """

    values: Mapping[str, Sequence[float]]
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sparse: frozenset[str] = frozenset()

    @classmethod
    def of_row(
        cls, layout: FeatureLayout, row: Sequence[float], sparse: frozenset[str] = frozenset()
    ) -> "Weights":
        """Split ``row`` into the features of ``layout``, with the digits that the file keeps."""
        rest = iter(row)
        values = {name: [rounded(next(rest)) for _ in range(size)] for name, size in layout.items()}
        return cls(values, sparse=sparse)

    @classmethod
    def read(cls, path: Path) -> "Weights":
        """The weights in the file that `write` made, or a person.

        Raises:
            UserError: missing file, no TOML, no weights, or weights that are no finite numbers.
        """
        content = parse_toml(read_bounded(existing(path)), path)
        dense = weights_section(content, DENSE, path)
        sparse = weights_section(content, SPARSE, path)
        if not dense and not sparse:
            raise UserError(f"{path}: no section [{DENSE}] with a line for each feature")
        if twice := dense.keys() & sparse.keys():
            raise UserError(f"{path}: {min(twice)} is in [{DENSE}] and in [{SPARSE}]")
        return cls(dense | sparse, sparse=frozenset(sparse))

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def write(self, stream: BinaryIO) -> None:
        """Write the weights as TOML, those of sparse features in a section of their own."""
        dense = {name: each for name, each in self.values.items() if name not in self.sparse}
        sparse = {name: each for name, each in self.values.items() if name in self.sparse}
        sections = {**self.facts, DENSE: dense, **({SPARSE: sparse} if sparse else {})}
        stream.write("\n".join(starmap(toml_section, sections.items())).encode())

    def scaled(self) -> "Weights":
        """Divide all weights by a power of two, so that their sizes add up to 1 at most.

        This ranks alike, and no weighted sum of finite values is NaN.
        """
        sizes = [abs(weight) for each in self.values.values() for weight in each]
        largest = max(sizes, default=0)
        if largest <= 1 and sum(sizes) <= ABOUT_ONE:
            return self
        exponent = math.frexp(largest)[1] + math.frexp(len(sizes))[1]
        scaled = {
            name: [math.ldexp(weight, -exponent) for weight in each]
            for name, each in self.values.items()
        }
        return replace(self, values=scaled)

    def row(self, layout: FeatureLayout, path: Path) -> list[float]:
        """A weight for each value of a row with ``layout``, 0 for features without weights.

        Args:
            layout: the list's features.
            path: where the weights come from.

        Raises:
            UserError: weights for a feature that the list has not and that is not sparse, or that
                it has in another number.
        """
        for name, weights in self.values.items():
            if name not in layout:
                if name in self.sparse or not any(weights):
                    continue
                raise UserError(
                    f"{path}: weights of the feature {name}, which the list has not; it has "
                    f"{describe_layout(layout)}. A feature that whole lists may lack belongs "
                    f"under [{SPARSE}]"
                )
            if len(weights) != layout[name]:
                raise UserError(
                    f"{path}: {counted(len(weights), 'weight')} of the feature {name}, which has "
                    f"{counted(layout[name], 'value')} in the list"
                )
        return [
            float(weight)
            for name, size in layout.items()
            for weight in self.values.get(name, [0.0] * size)
        ]


def weights_section(content: Mapping[str, Any], title: str, path: Path) -> dict[str, list[float]]:
    """Take the weights of each feature from a section; empty where there is no such section.

    Raises:
        UserError: weights that are no finite numbers.
    """
    section = content.get(title, {})
    if not isinstance(section, dict):
        raise UserError(f"{path}: no section [{title}] with a line for each feature")
    values = {}
    for name, given in section.items():
        values[name] = given if isinstance(given, list) else [given]
        if not values[name] or not all(map(is_weight, values[name])):
            raise UserError(
                f"{path}: the weight of {name} must be a finite number, or a list of some"
            )
    return values


def weighted_sums(rows: Sequence[Sequence[float]], weights: Sequence[float]) -> list[float]:
    """Sum up each of ``rows``, weighted by what `Weights.scaled` gives; short rows end in zeros."""
    return [sum(map(mul, weights, row)) for row in rows]


def rounded(weight: float) -> float:
    return float(f"{weight:.9g}")


def is_weight(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max  # which neither nan nor 10**400 is
