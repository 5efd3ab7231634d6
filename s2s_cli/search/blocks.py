"""Products over blocks of fixed numbers of rows, so that a row's result depends on the row alone.

A library's result for a row may depend, in its last bits, on how many rows share the product. So
products are computed in blocks of exactly `SMALL` rows, the last one filled up. Larger blocks read
the weights less often; a size is used where it was seen to give the same bits. A sentence then
gets the same translation and the same score in any company.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from s2s_cli.model.packed import Packed

SMALL = 16
SIZES = (256, 64, SMALL)
# What is left for a block makes one if it fills so much of it: less than that is cut further.
FULL_ENOUGH = 0.75
# A block of results has at most so many numbers (24 MiB in fp32), or `SMALL` rows.
BLOCK_ELEMENTS = 6 << 20


class Product:
    """``rows · weightᵀ + bias`` for blocks of rows."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        """Lay out ``weight`` [n, k]; results are of its type."""
        self.packed = Packed(weight, bias)
        self.size, self.width = weight.shape
        self.dtype, self.device = weight.dtype, weight.device
        self._suits = {SMALL: True}

    @property
    def is_packed(self) -> bool:
        """Whether the weights are; then the bias is added before a result is rounded to bf16."""
        return self.packed.plain is None

    def suits(self, rows: int) -> bool:
        """Whether blocks of ``rows``, a multiple of `SMALL`, give the bits of small ones: tried."""
        if rows not in self._suits:
            self._suits[rows] = rows * self.size <= BLOCK_ELEMENTS and self._agrees(rows)
        return self._suits[rows]

    def _agrees(self, rows: int) -> bool:
        generator = torch.Generator().manual_seed(0)
        block = torch.randn(rows, self.width, generator=generator).to(self.device, self.dtype)
        parts = [self.packed(part) for part in block.split(SMALL)]
        return torch.equal(self.packed(block), torch.cat(parts))

    def __call__(self, block: Tensor) -> Tensor:
        """The product for one of `blocks`: [rows, n]."""
        rows = len(block)
        size = min(size for size in SIZES if size >= rows and self.suits(size))
        if size == rows:
            return self.packed(block)
        return self.packed(F.pad(block, (0, 0, 0, size - rows)))[:rows]


def blocks(rows: int, *products: Product) -> list[slice]:
    """Cut ``rows`` into blocks that suit all ``products``, the largest first."""
    cut: list[slice] = []
    start = 0
    for size in SIZES:
        least = 1 if size == SMALL else size * FULL_ENOUGH
        if rows - start < least or not all(each.suits(size) for each in products):
            continue
        while rows - start >= least:
            cut.append(slice(start, min(start + size, rows)))
            start = cut[-1].stop
    return cut
