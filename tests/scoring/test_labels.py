"""Labels that cover neither each other nor the points."""

import random
from itertools import combinations, pairwise

import pytest

from s2s_cli.scoring.labels import GAP, POINT, Box, place_labels, spread_apart

AREA = Box(0, 0, 500, 350)


def test_a_lone_label_stands_to_the_right_of_its_point() -> None:
    (box,) = place_labels([(100, 100)], [(60, 10)], AREA)
    assert box == Box(100 + POINT + GAP, 95, 160 + POINT + GAP, 105)


def test_a_label_at_the_edge_stands_on_the_other_side() -> None:
    (box,) = place_labels([(490, 100)], [(60, 10)], AREA)
    assert box.overlap(AREA) == box.area
    assert box.right == 490 - POINT - GAP


@pytest.mark.parametrize("seed", range(10))
def test_labels_of_a_dozen_phrases_in_two_heaps_do_not_overlap(seed: int) -> None:
    draw = random.Random(seed)
    points = [
        (draw.gauss(middle, 12), draw.gauss(175, 30)) for middle in (80, 350) for _ in range(6)
    ]
    sizes = [(draw.uniform(80, 130), 10.0) for _ in points]
    boxes = place_labels(points, sizes, AREA)
    assert len(boxes) == 12
    for one, two in combinations(boxes, 2):
        assert one.overlap(two) == 0
    for box in boxes:
        assert box.overlap(AREA) > 0.99 * box.area
        for x, y in points:
            assert box.overlap(Box(x - POINT, y - POINT, x + POINT, y + POINT)) < 0.1 * box.area
    assert boxes == place_labels(points, sizes, AREA)


def test_no_label_is_lost_where_there_is_no_room() -> None:
    assert len(place_labels([(5, 5)] * 30, [(90, 10)] * 30, Box(0, 0, 10, 10))) == 30
    assert place_labels([], [], AREA) == []


@pytest.mark.parametrize("seed", range(10))
def test_heights_are_spread_in_their_order(seed: int) -> None:
    draw = random.Random(seed)
    wanted = [draw.uniform(0, 50) for _ in range(6)]
    found = spread_apart(wanted, [10] * 6)
    inside = [found[index] for index in sorted(range(6), key=wanted.__getitem__)]
    assert all(two - one >= 10 - 1e-6 for one, two in pairwise(inside))
    assert sum(found) == pytest.approx(sum(wanted)), "what is moved up is moved down elsewhere"
    assert spread_apart([5, 100, 50], [10] * 3) == [5, 100, 50]
    assert spread_apart([5, 5], [10] * 2) == [0, 10]
    assert spread_apart([40, 5, 5, 4], [10] * 4, low=-2) == [40, 13, 23, 3]


def test_a_folded_name_takes_the_room_of_its_lines_alone() -> None:
    assert spread_apart([5, 5, 60], [30, 10, 10]) == [0, 20, 60]
