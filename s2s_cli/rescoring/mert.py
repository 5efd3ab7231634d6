"""Minimum error rate training (MERT): weights of a list's features that maximise corpus BLEU.

Och, *Minimum Error Rate Training in Statistical Machine Translation* (2003). Along a line of
weights every hypothesis' score is a line, so the winners of a list change at the corners of its
upper envelope, and BLEU between two corners is constant: the best point of a line is found exactly.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from s2s_cli.rescoring.config import MertConfig
from s2s_cli.rescoring.mert_envelope import upper_envelope

COUNTS = 10  # length, reference length, matches and n-grams of orders 1 to 4
# Narrower stretches of a line are not told from rounding.
NARROWEST = 1e-6
# The ascent ends with the round that gains less BLEU.
SMALLEST_GAIN = 0.005
RANDOM_DIRECTIONS = 8  # in each round, besides the features' own


@dataclass(frozen=True)
class Candidates:
    """The distinct hypotheses of S segments as tensors; N is the number in the longest list.

    Shorter lists are filled up with their first hypothesis, which changes no winner.

    Attributes:
        values: of F features, in units of their spread within segments, [F, S, N].
        spreads: these units, [F].
        counts: statistics of BLEU of each hypothesis, [S, N, `COUNTS`].
    """

    values: Tensor
    spreads: Tensor
    counts: Tensor

    @classmethod
    def of(cls, values: Sequence[Tensor], counts: Sequence[Tensor]) -> "Candidates":
        """Gather segments of one hypothesis or more.

        Args:
            values: for each segment [n, F].
            counts: for each segment [n, `COUNTS`].
        """
        longest = max(map(len, values))
        features = values[0].shape[1]
        table = torch.empty(features, len(values), longest, dtype=torch.float64)
        filled = torch.empty(len(counts), longest, COUNTS, dtype=torch.int32)
        for index, (rows, each) in enumerate(zip(values, counts, strict=True)):
            # What all hypotheses of a segment share moves no winner, but costs digits.
            centred = rows - rows.mean(0)
            table[:, index] = centred[:1].T
            table[:, index, : len(rows)] = centred.T
            filled[index] = each[0]
            filled[index, : len(each)] = each
        spreads = table.square().mean((1, 2)).sqrt()
        spreads[spreads == 0] = 1
        return cls(table.div_(spreads[:, None, None]), spreads, filled)

    def along(self, direction: Tensor) -> Tensor:
        """Sum of the values of each hypothesis, weighted by ``direction`` [F]: [S, N]."""
        features, segments, longest = self.values.shape
        used = direction.nonzero()[:, 0]
        if len(used) == 1:
            return self.values[int(used)] * direction[used]
        return (direction @ self.values.view(features, -1)).view(segments, longest)

    def bleu(self, scores: Tensor) -> float:
        """Corpus BLEU of the hypotheses with the highest ``scores`` [S, N]."""
        return float(bleu(self.counts_of(scores.argmax(1)).sum(0)))

    def counts_of(self, hypotheses: Tensor, segments: Tensor | None = None) -> Tensor:
        """Statistics of one hypothesis in each segment, or in each of ``segments``."""
        rows = torch.arange(len(hypotheses)) if segments is None else segments
        return self.counts[rows, hypotheses].to(torch.int64)


def bleu(counts: Tensor) -> Tensor:
    """BLEU of sums of statistics [..., `COUNTS`], from 0 to 100, without smoothing."""
    counts = counts.to(torch.float64)
    lengths, references = counts[..., 0], counts[..., 1]
    precision = (counts[..., 2:6].log() - counts[..., 6:].log()).mean(-1)
    brevity = (1 - references / lengths).clamp(max=0)
    return 100 * (precision + brevity).exp().nan_to_num(0)


def line_search(candidates: Candidates, offsets: Tensor, slopes: Tensor) -> tuple[float, float]:
    """Find the step at which winners by ``offsets + step · slopes`` have the highest BLEU.

    Exact: BLEU is looked at in every stretch between two changes of a winner. Of stretches that
    are as good, the one nearest to 0.

    Args:
        candidates: the development list.
        offsets: score of each hypothesis, [S, N].
        slopes: what a step of 1 adds to it, [S, N].

    Returns:
        The step, and BLEU there.
    """
    lines = upper_envelope(offsets, slopes)
    at, order = lines.at.sort()
    segments = lines.segments[order]
    change = candidates.counts_of(lines.after[order], segments)
    change -= candidates.counts_of(lines.before[order], segments)
    start = candidates.counts_of(lines.first).sum(0, keepdim=True)
    values = bleu(torch.cat([start, start + change.cumsum(0)]))
    if not len(at):
        return 0.0, float(values[0])
    ends = torch.cat([at[:1] - 2, at, at[-1:] + 2])
    middles = (ends[:-1] + ends[1:]) / 2
    wide = ends[1:] - ends[:-1] > NARROWEST * (1 + middles.abs())
    values = values.masked_fill(~wide, -1)
    best = values.max()
    nearest = middles.abs().masked_fill(values < best, torch.inf).argmin()
    return float(middles[nearest]), float(best)


def maximise_bleu(
    candidates: Candidates, starts: Sequence[Tensor], config: MertConfig
) -> tuple[Tensor, float]:
    """Find weights [F] of the original features for which winners have the highest BLEU, and that.

    Goes up from each of ``starts`` [F] and from random ones; the best ascent counts. The same
    arguments give the same weights.
    """
    generator = torch.Generator().manual_seed(config.seed)
    best, height = starts[0], -1.0
    for start in starting_points(candidates, starts, config.restarts, generator):
        weights, value = coordinate_ascent(candidates, start, generator)
        if value > height:
            best, height = weights / candidates.spreads, value
    return best / best.abs().sum(), height


def starting_points(
    candidates: Candidates, starts: Sequence[Tensor], restarts: int, generator: torch.Generator
) -> Iterator[Tensor]:
    """All weights to start from, of the values in units of their spread."""
    for start in starts:
        yield start * candidates.spreads
    for _ in range(restarts):
        yield random_direction(candidates, generator)


def random_direction(candidates: Candidates, generator: torch.Generator) -> Tensor:
    return torch.randn(len(candidates.values), generator=generator, dtype=torch.float64)


def coordinate_ascent(
    candidates: Candidates, weights: Tensor, generator: torch.Generator
) -> tuple[Tensor, float]:
    """Search along all features and some random directions while BLEU rises.

    Returns:
        The weights [F] of the values in units of their spread, and BLEU there.
    """
    weights = largest_to_one(weights)
    offsets = candidates.along(weights)
    best = candidates.bleu(offsets)
    while True:
        before = best
        for direction in directions(candidates, generator):
            step, value = line_search(candidates, offsets, candidates.along(direction))
            if value <= best:
                continue
            moved = largest_to_one(weights + step * direction)
            scores = candidates.along(moved)
            # Measured where it arrives: what rounding made of a tie does not count.
            arrived = candidates.bleu(scores)
            if arrived > best:
                weights, offsets, best = moved, scores, arrived
        if best < before + SMALLEST_GAIN:
            return weights, best


def directions(candidates: Candidates, generator: torch.Generator) -> Iterator[Tensor]:
    """The features in random order, and then random mixtures."""
    features = len(candidates.values)
    own = torch.eye(features, dtype=torch.float64)
    yield from own[torch.randperm(features, generator=generator)]
    for _ in range(RANDOM_DIRECTIONS):
        yield largest_to_one(random_direction(candidates, generator))


def largest_to_one(weights: Tensor) -> Tensor:
    """Scale the largest of ``weights`` to 1, which ranks alike and keeps steps of one size."""
    largest = weights.abs().max()
    return weights / largest if largest > 0 else weights
