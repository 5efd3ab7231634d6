"""Places for the labels of points, which cover neither each other nor the points."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import NamedTuple

ROUNDS = 8
# Heights of a label from its point to where it may stand.
DISTANCES = (0.0, 0.7, 1.4, 2.1, 2.8, 3.5, 4.2, 5.6, 7.0)
POINT = 4.0  # half of the square that a point takes
GAP = 2.0  # between a point and its label
ALONG = (0.2, 0.4, 0.6, 0.8)  # where on a line it is looked what the line crosses

Point = tuple[float, float]


class Box(NamedTuple):
    """A rectangle, in any unit of length; ``POINT`` and ``GAP`` suit points of 1/72 inch."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: "Box") -> float:
        """The area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(0.0, width) * max(0.0, height)

    def holds(self, x: float, y: float) -> bool:
        return self.left <= x <= self.right and self.bottom <= y <= self.top

    def nearest(self, x: float, y: float) -> Point:
        """The point of the box that is next to a point."""
        return min(max(x, self.left), self.right), min(max(y, self.bottom), self.top)

    @property
    def area(self) -> float:
        return (self.right - self.left) * (self.top - self.bottom)


@dataclass(frozen=True)
class LabelPlace:
    """A place where a label may stand.

    Attributes:
        box: what it covers.
        distance: from its point, in heights of the label.
        line: points of the line that leads to it from its point.
    """

    box: Box
    distance: float
    line: list[Point]


def place_labels(points: Sequence[Point], sizes: Sequence[Point], area: Box) -> list[Box]:
    """A box for the label of each point, near it and within ``area`` if that can be.

    Each label in turn takes the place where it covers least, of equal ones the nearest, given the
    present places of all others, until none moves.

    Args:
        points: right and up.
        sizes: width and height of each label.
        area: where labels may be.
    """
    squares = [Box(x - POINT, y - POINT, x + POINT, y + POINT) for x, y in points]
    offered = [list(label_places(point, size)) for point, size in zip(points, sizes, strict=True)]
    chosen: list[LabelPlace | None] = [None] * len(points)
    for _ in range(ROUNDS):
        before = list(chosen)
        for index, places in enumerate(offered):
            others = [each for at, each in enumerate(chosen) if at != index and each is not None]
            costs = [cost(each, others, squares, area) for each in places]
            chosen[index] = places[costs.index(min(costs))]
        if chosen == before:
            break
    return [each.box for each in chosen if each is not None]


def label_places(point: Point, size: Point) -> Iterator[LabelPlace]:
    """Places about ``point``, the nearest first."""
    (x, y), (width, height) = point, size
    near = POINT + GAP
    for distance in DISTANCES:
        away = distance * height
        boxes = [
            box_at(left, y - height / 2 + up, size)
            for up in ((away, -away) if away else (0.0,))
            for left in (x + near, x - near - width)
        ]
        boxes += [
            box_at(x - width / 2, bottom, size)
            for bottom in (y + near + away, y - near - away - height)
        ]
        for box in boxes:
            to_x, to_y = box.nearest(x, y)
            line = [(x + (to_x - x) * part, y + (to_y - y) * part) for part in ALONG]
            yield LabelPlace(box, distance, line)


def box_at(left: float, bottom: float, size: Point) -> Box:
    return Box(left, bottom, left + size[0], bottom + size[1])


def cost(
    place: LabelPlace, others: Sequence[LabelPlace], squares: Sequence[Box], area: Box
) -> float:
    """The cost of ``place``: labels on labels are worst, then points covered and lines crossed."""
    box = place.box
    labels = [box.overlap(each.box) for each in others]
    hidden = sum(labels) + sum(box.overlap(each) for each in squares)
    outside = box.area - box.overlap(area)
    crossed = sum(
        sum(other.box.holds(*each) for each in place.line)
        + sum(box.holds(*each) for each in other.line)
        for other in others
    )
    clashes = sum(label > 0 for label in labels)
    return (10 * hidden + 30 * outside) / box.area + 5 * clashes + crossed + place.distance / 10


def spread_apart(wanted: Sequence[float], sizes: Sequence[float], low: float = -inf) -> list[float]:
    """Middles of intervals of ``sizes``, in the order of ``wanted`` and as near to it as can be.

    Intervals do not overlap. Neighbours that come too close are stacked about the mean of what they
    wanted, but none begins below ``low``.
    """
    order = sorted(range(len(wanted)), key=lambda index: (wanted[index], index))
    groups = [[index] for index in order]

    def ends(group: list[int]) -> tuple[float, float]:
        middle = sum(wanted[index] for index in group) / len(group)
        half = sum(sizes[index] for index in group) / 2
        return middle - half, middle + half

    while True:
        close = next(
            (
                at
                for at, (one, two) in enumerate(pairwise(groups))
                if ends(two)[0] - ends(one)[1] < -1e-9
            ),
            None,
        )
        if close is None:
            break
        groups[close : close + 2] = [groups[close] + groups[close + 1]]
    found = [0.0] * len(wanted)
    for group in groups:
        low = max(ends(group)[0], low)
        for index in group:
            found[index] = low + sizes[index] / 2
            low += sizes[index]
    return found
