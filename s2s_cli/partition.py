"""Work cut into pieces for several workers."""

from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby
from operator import itemgetter
from typing import TypeVar

Item = TypeVar("Item")


def shares(items: Sequence[Item], sizes: Sequence[int], count: int) -> Iterator[list[Item]]:
    """Cut ``items`` into ``count`` runs of about equal size, in order; none is empty.

    Args:
        items: what there is to do.
        sizes: how much of it each item is, more than 0.
        count: of the workers; there are fewer runs where there are fewer items.
    """
    ends = list(accumulate(sizes))
    # An item belongs to the share that its middle lies in.
    places = [
        (2 * end - size) * count // (2 * ends[-1]) for size, end in zip(sizes, ends, strict=True)
    ]
    for _, run in groupby(zip(places, items, strict=True), key=itemgetter(0)):
        yield [item for _, item in run]
