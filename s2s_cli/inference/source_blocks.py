"""Blocks of sources that attention looks at in one operation, on a GPU.

A GPU waits between small operations, and its libraries give other bits for another shape. So a
block has always the same number of parts, filled up, of `SMALL` rows each, and its sources are
padded to a length that each has by itself: what a row gets is the same in any company.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from s2s_cli.model.products import SMALL

# Sources are padded to a multiple of so many words.
WORDS_MULTIPLE = 32
# Parts of a block; fewer where they have more than so many words together.
MOST_PARTS = 16
BLOCK_WORDS = 1024


class SourceBlock(NamedTuple):
    """Parts of one block.

    Attributes:
        sources: [parts] whose words each part looks at.
        rows: [parts, `SMALL`] the rows of each part, or any row that nobody asks for.
        words: [parts] how many words each source has.
    """

    sources: list[int]
    rows: Tensor
    words: Tensor


class SourceBlocks(NamedTuple):
    """All blocks of some rows.

    Attributes:
        blocks: one after the other.
        places: [rows] the place of each row in the results of all blocks.
    """

    blocks: list[SourceBlock]
    places: Tensor


def in_source_blocks(device_type: str) -> bool:
    """Return whether several sources share operations on a device of this type."""
    return device_type != "cpu"


def padded_length(words: int) -> int:
    """Words that a source of so many is padded to."""
    return WORDS_MULTIPLE * max(1, -(-words // WORDS_MULTIPLE))


def make_blocks(order: Tensor, counts: Sequence[int], words: Sequence[int]) -> SourceBlocks:
    """Cut rows into blocks.

    Args:
        order: [rows] that puts the rows of a source side by side, sources in their order.
        counts: rows of each source.
        words: of each source.
    """
    cut, rows, lengths = [], list[int](), list[int]()
    places = [0] * len(order)
    for parts in grouped_parts(counts, words):
        cut.append([source for source, _, _ in parts])
        for source, first, size in parts:
            places[first : first + size] = range(len(rows), len(rows) + size)
            rows += [*range(first, first + size), *[0] * (SMALL - size)]
            lengths.append(words[source])
    # One copy to the device, which is not waited for.
    index = torch.tensor(rows + places + lengths).to(order.device, non_blocking=True)
    of_rows, of_places, of_words = index.split([len(rows), len(places), len(lengths)])
    sizes = [len(sources) for sources in cut]
    by_block = zip(
        cut, order[of_rows].view(-1, SMALL).split(sizes), of_words.split(sizes), strict=True
    )
    back = torch.empty_like(order).index_copy_(0, order, of_places)
    return SourceBlocks([SourceBlock(*each) for each in by_block], back)


def grouped_parts(
    counts: Sequence[int], words: Sequence[int]
) -> Iterator[list[tuple[int, int, int]]]:
    """Parts of each block, filled up: source, first row, and number of rows."""
    by_length: dict[int, list[tuple[int, int, int]]] = {}
    start = 0
    for source, count in enumerate(counts):
        parts = by_length.setdefault(padded_length(words[source]), [])
        end = start + count
        parts += [(source, first, min(SMALL, end - first)) for first in range(start, end, SMALL)]
        start = end
    for length, parts in by_length.items():
        most = max(1, min(MOST_PARTS, BLOCK_WORDS // length))
        for first in range(0, len(parts), most):
            block = parts[first : first + most]
            yield block + [(block[0][0], 0, 0)] * (most - len(block))
