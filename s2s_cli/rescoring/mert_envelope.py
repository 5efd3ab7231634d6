"""The upper envelope of lines: the hypotheses that win along a line of weights (Och 2003)."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

# Slopes that differ by less are those of parallel lines, which rounding made seem to cross.
PARALLEL = 1e-9
# Segments looked at together: their lines stay in the processor's cache.
SEGMENTS_TOGETHER = 128


@dataclass(frozen=True)
class Envelope:
    """The winners of S segments along a line, and the K places where one takes over.

    Attributes:
        first: hypotheses that win at minus infinity, [S].
        at: where a winner changes, in no order, [K].
        segments: in which segment, [K].
        before, after: hypotheses that win to the left and to the right of it, [K].
    """

    first: Tensor
    at: Tensor
    segments: Tensor
    before: Tensor
    after: Tensor


def upper_envelope(offsets: Tensor, slopes: Tensor) -> Envelope:
    """Follow the highest of the lines ``offsets + x · slopes`` of each segment from left to right.

    Of equal lines the first wins.

    Args:
        offsets: heights of the lines at 0, [S, N]; S is at least 1.
        slopes: [S, N].
    """
    firsts, pieces = [], []
    for start in range(0, len(offsets), SEGMENTS_TOGETHER):
        parts = slice(start, start + SEGMENTS_TOGETHER)
        first = leftmost(offsets[parts], slopes[parts])
        firsts.append(first)
        for at, rows, before, after in crossings(offsets[parts], slopes[parts], first):
            pieces.append((at, rows + start, before, after))
    at, segments, before, after = (torch.cat(column) for column in zip(*pieces, strict=True))
    return Envelope(torch.cat(firsts), at, segments, before, after)


def leftmost(offsets: Tensor, slopes: Tensor) -> Tensor:
    """The line of each segment that is highest at minus infinity, [S]."""
    smallest = slopes.amin(1, keepdim=True)
    return offsets.masked_fill(slopes > smallest + PARALLEL, -torch.inf).argmax(1)


def crossings(
    offsets: Tensor, slopes: Tensor, winners: Tensor
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Follow the changes of winners, one a segment at a time.

    Yields:
        Where the winners change, in which segments, from which hypotheses and to which, [k] each.
    """
    rows = torch.arange(len(offsets))
    reached = offsets.new_full((len(offsets),), -torch.inf)
    while len(rows):
        height = offsets.gather(1, winners[:, None])
        rise = slopes - slopes.gather(1, winners[:, None])
        # Only a steeper line can overtake; the next is the one that does so first.
        where = (height - offsets).div_(rise).masked_fill_(rise <= PARALLEL, torch.inf)
        nearest, following = where.min(1)
        going_on = nearest.isfinite()
        if not going_on.all():
            offsets, slopes = offsets[going_on], slopes[going_on]
            rows, winners, following = rows[going_on], winners[going_on], following[going_on]
            nearest, reached = nearest[going_on], reached[going_on]
        reached = torch.maximum(reached, nearest)  # rounding must not turn back
        yield reached, rows, winners, following
        winners = following
