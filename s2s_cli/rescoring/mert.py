"""Minimum error rate training (MERT): weights of a list's features that maximise corpus BLEU.

Och, *Minimum Error Rate Training in Statistical Machine Translation* (2003). Along a line of
weights every hypothesis' score is a line, so the winners of a list change at the corners of its
upper envelope, and BLEU between two corners is constant: the best point of a line is found exactly.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from s2s_cli.rescoring.candidates import Candidates, bleu, largest_to_one
from s2s_cli.rescoring.config import TunerConfig
from s2s_cli.rescoring.mert_envelope import upper_envelope

# Narrower stretches of a line are not told from rounding.
NARROWEST = 1e-6
# The ascent ends with the round that gains less BLEU.
SMALLEST_GAIN = 0.005
RANDOM_DIRECTIONS = 8  # in each round, besides the features' own


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


def mert(
    candidates: Candidates, starts: Sequence[Tensor], config: TunerConfig
) -> list[tuple[float, Tensor]]:
    """Go up from each of ``starts`` [F] and from random weights.

    Returns:
        BLEU and weights [F] that each ascent arrived at, the highest first. The same arguments
        give the same.
    """
    generator = torch.Generator().manual_seed(config.seed)
    begin = [*starts, *(random_direction(candidates, generator) for _ in range(config.restarts))]
    found = [coordinate_ascent(candidates, start, generator) for start in begin]
    found.sort(key=lambda each: each[0], reverse=True)
    return [(found[0][0], without_idle(candidates, *found[0])), *found]


def without_idle(candidates: Candidates, best: float, weights: Tensor) -> Tensor:
    """Set the smallest weights [F] to 0 while BLEU stays as high.

    Those of random starts that no search has moved would otherwise stay, and rank other lists.
    """
    for feature in weights.abs().argsort().tolist():
        fewer = weights.clone()
        fewer[feature] = 0
        if candidates.bleu(candidates.along(fewer)) >= best:
            weights = fewer
    return weights


def random_direction(candidates: Candidates, generator: torch.Generator) -> Tensor:
    return torch.randn(len(candidates.values), generator=generator, dtype=torch.float64)


def coordinate_ascent(
    candidates: Candidates, weights: Tensor, generator: torch.Generator
) -> tuple[float, Tensor]:
    """Search along all features and some random directions while BLEU rises.

    Returns:
        BLEU, and the weights [F] where it is.
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
            return best, weights


def directions(candidates: Candidates, generator: torch.Generator) -> Iterator[Tensor]:
    """The features in random order, and then random mixtures."""
    features = len(candidates.values)
    own = torch.eye(features, dtype=torch.float64)
    yield from own[torch.randperm(features, generator=generator)]
    for _ in range(RANDOM_DIRECTIONS):
        yield largest_to_one(random_direction(candidates, generator))
