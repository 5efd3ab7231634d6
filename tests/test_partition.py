"""Work cut up for workers: nothing lost, nothing moved, none much larger than another."""

import random

import pytest

from s2s_cli.parallel import partition


@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize("items", [0, 1, 2, 7, 8, 100])
def test_equal_items_make_equal_runs(items: int, count: int) -> None:
    got = list(partition(range(items), [5] * items, count))
    assert [item for share in got for item in share] == list(range(items))
    assert len(got) == min(items, count)
    sizes = [len(share) for share in got]
    assert not sizes or max(sizes) - min(sizes) <= 1


def test_shares_differ_by_no_more_than_an_item() -> None:
    draw = random.Random(1)
    for _ in range(200):
        sizes = [draw.choice([1, 3, 10, 200]) for _ in range(draw.randint(1, 60))]
        count = draw.randint(1, 9)
        got = list(partition(list(enumerate(sizes)), sizes, count))
        assert [item for share in got for item in share] == list(enumerate(sizes))
        assert len(got) <= count and all(got)
        for share in got:
            assert sum(size for _, size in share) <= sum(sizes) / count + max(sizes)
