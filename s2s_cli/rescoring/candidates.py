"""The hypotheses that a tuner chooses from: values of features, and statistics of BLEU."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

COUNTS = 10  # length, reference length, matches and n-grams of orders 1 to 4
# Two values that differ by a smaller share of them differ by rounding.
ROUNDING_SHARE = 1e-12
# Differences are cut to so many units: log zeros (-1e10 and the like) rank as they did, and leave
# digits to the other features of their sums.
MOST_UNITS = 1e6
# Values are scaled by this power of two at most, so that the smallest keep their digits.
LARGEST_SHIFT = 1000


@dataclass(frozen=True)
class Candidates:
    """The distinct hypotheses of S segments as tensors; N is the number in the longest list.

    Shorter lists are filled up with their first hypothesis, which changes no winner. Only the
    features that differ within a segment are here: the list says nothing about others.

    Attributes:
        values: of the F features in ``features``, as differences within the segment in units of
            each feature, [F, S, N].
        units: typical differences of features, as ``(mantissa, exponent)`` of 2.
        features: indices of these features in a row.
        row_size: number of values in a row.
        counts: statistics of BLEU of each hypothesis, [S, N, `COUNTS`].
    """

    values: Tensor
    units: Sequence[tuple[float, int]]
    features: Sequence[int]
    row_size: int
    counts: Tensor

    @classmethod
    def of(cls, rows: Sequence[Tensor], counts: Sequence[Tensor]) -> "Candidates":
        """Gather segments of one hypothesis or more.

        Args:
            rows: for each segment [n, features].
            counts: for each segment [n, `COUNTS`].
        """
        longest, size = max(map(len, rows)), rows[0].shape[1]
        table = torch.empty(size, len(rows), longest, dtype=torch.float64)
        filled = torch.empty(len(counts), longest, COUNTS, dtype=torch.int32)
        for index, (row, each) in enumerate(zip(rows, counts, strict=True)):
            table[:, index] = row[:1].T
            table[:, index, : len(row)] = row.T
            filled[index] = each[0]
            filled[index, : len(each)] = each
        units = [to_units(column) for column in table]
        features = [feature for feature, (unit, _) in enumerate(units) if unit]
        if len(features) < size:
            table = table[features]
        return cls(table, [units[feature] for feature in features], features, size, filled)

    def weights(self, row: Sequence[float]) -> Tensor:
        """Weights [F] of values in units, the largest near 1, for weights of a row."""
        parts = [
            multiply(row[feature], unit)
            for feature, unit in zip(self.features, self.units, strict=True)
        ]
        return torch.tensor(together(parts), dtype=torch.float64)

    def row(self, weights: Tensor) -> list[float]:
        """Weights of a row for ``weights`` [F] of values in units; their sizes add up to 1."""
        parts = [
            multiply(weight, (1 / mantissa, -exponent))
            for weight, (mantissa, exponent) in zip(weights.tolist(), self.units, strict=True)
        ]
        row = [0.0] * self.row_size
        for feature, weight in zip(self.features, together(parts), strict=True):
            row[feature] = weight
        size = sum(map(abs, row))
        return [weight / size for weight in row] if size else row

    def along(self, direction: Tensor) -> Tensor:
        """Sum of the values of each hypothesis, weighted by ``direction`` [F]: [S, N]."""
        used = direction.nonzero()[:, 0]
        if len(used) == 1:
            return self.values[int(used)] * direction[used]
        segments, longest = self.counts.shape[:2]
        table = self.values.view(len(direction), segments * longest)
        return (direction @ table).view(segments, longest)

    def bleu(self, scores: Tensor) -> float:
        """Corpus BLEU of the hypotheses with the highest ``scores`` [S, N]."""
        return float(bleu(self.counts_of(scores.argmax(1)).sum(0)))

    def counts_of(self, hypotheses: Tensor, segments: Tensor | None = None) -> Tensor:
        """Statistics of one hypothesis in each segment, or in each of ``segments``."""
        rows = torch.arange(len(hypotheses)) if segments is None else segments
        return self.counts[rows, hypotheses].to(torch.int64)


def to_units(column: Tensor) -> tuple[float, int]:
    """Replace the values of a feature, [S, N], by differences within each segment, in units.

    What all hypotheses of a segment share moves no winner, but costs digits. The value nearest to
    0 is subtracted, which costs the fewest. The unit is the lower quartile of the differences that
    are not 0, which no log zeros can move.

    Returns:
        The unit as mantissa and exponent of 2; a mantissa of 0 where nothing differs.
    """
    shift = min(max(math.frexp(float(column.abs().max()))[1], -LARGEST_SHIFT), LARGEST_SHIFT)
    column.mul_(2.0**-shift)  # exact, and no difference overflows from here on
    nearest = column.gather(1, column.abs().argmin(1, keepdim=True))
    rounding = column.abs().mul_(ROUNDING_SHARE)
    column.sub_(nearest)
    column.masked_fill_(column.abs() <= rounding, 0)
    sizes = column.abs()[column != 0]
    if not len(sizes):
        return 0.0, 0
    unit = float(sizes.kthvalue((len(sizes) + 3) // 4).values)
    column.clamp_(-MOST_UNITS * unit, MOST_UNITS * unit).div_(unit)
    mantissa, exponent = math.frexp(unit)
    return mantissa, exponent + shift


def multiply(value: float, factor: tuple[float, int]) -> tuple[float, int]:
    """Multiply by a mantissa and a power of two, in numbers that may be of any size."""
    mantissa, exponent = math.frexp(value * factor[0])
    return mantissa, exponent + factor[1]


def together(numbers: Sequence[tuple[float, int]]) -> list[float]:
    """Divide numbers, as mantissa and exponent, by the power of two just above the largest."""
    largest = max((exponent for mantissa, exponent in numbers if mantissa), default=0)
    return [math.ldexp(mantissa, exponent - largest) for mantissa, exponent in numbers]


def bleu(counts: Tensor) -> Tensor:
    """BLEU of sums of statistics [..., `COUNTS`], from 0 to 100, without smoothing."""
    counts = counts.to(torch.float64)
    lengths, references = counts[..., 0], counts[..., 1]
    precision = (counts[..., 2:6].log() - counts[..., 6:].log()).mean(-1)
    brevity = (1 - references / lengths).clamp(max=0)
    return 100 * (precision + brevity).exp().nan_to_num(0)


def largest_to_one(weights: Tensor) -> Tensor:
    """Scale the largest of ``weights`` to 1, which ranks alike and keeps steps of one size."""
    largest = weights.abs().max()
    return weights / largest if largest > 0 else weights
