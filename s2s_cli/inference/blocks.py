"""Products over blocks of fixed numbers of rows, so that a row's result depends on the row alone.

A library's result for a row may depend, in its last bits, on how many rows share the product. So
products are computed in blocks of exactly `SMALL` rows, the last one filled up. Larger blocks read
the weights less often; a size is used where it was seen to give the same bits. A sentence then
gets the same translation and the same score in any company.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from s2s_cli.model.prepacked import PrepackedLinear

SMALL = 16
BLOCK_SIZES = (256, 64, SMALL)
# What is left for a block makes one if it fills so much of it: less than that is cut further.
FULL_ENOUGH = 0.75
# A block of results has at most so many numbers (24 MiB in fp32), or `SMALL` rows.
PRODUCT_ELEMENTS = 6 << 20


class Product:
    """``rows · weightᵀ + bias`` for blocks of rows."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        """Lay out ``weight`` [n, k]; results are of its type."""
        self.packed = PrepackedLinear(weight, bias)
        self.size, self.width = weight.shape
        self.dtype, self.device = weight.dtype, weight.device
        self._suits = {SMALL: True}

    def is_bit_exact(self, rows: int) -> bool:
        """Whether blocks of ``rows``, a multiple of `SMALL`, give the bits of small ones: tried."""
        if rows not in self._suits:
            self._suits[rows] = rows * self.size <= PRODUCT_ELEMENTS and self._agrees(rows)
        return self._suits[rows]

    def _agrees(self, rows: int) -> bool:
        generator = torch.Generator().manual_seed(0)
        block = torch.randn(rows, self.width, generator=generator).to(self.device, self.dtype)
        parts = [self.compute(part) for part in block.split(SMALL)]
        return torch.equal(self.compute(block), torch.cat(parts))

    def __call__(self, block: Tensor) -> Tensor:
        """The product for one of `blocks`: [rows, n]."""
        return self.compute(self.pad_rows(block))[: len(block)]

    def pad_rows(self, block: Tensor) -> Tensor:
        """One of `blocks`, with rows of zeros up to one of the sizes."""
        rows = len(block)
        size = min(size for size in BLOCK_SIZES if size >= rows and self.is_bit_exact(size))
        return block if size == rows else F.pad(block, (0, 0, 0, size - rows))

    def compute(self, rows: Tensor) -> Tensor:
        """The product for any number of rows."""
        return self.packed(rows)


class Exponentials(Product):
    """exp(``rows`` · weightᵀ + bias - offset) for blocks of rows."""

    def __init__(self, logits: Product, offset: float) -> None:
        """With the weights that ``logits`` has laid out."""
        self.packed, self.offset = logits.packed, offset
        self.size, self.width = logits.size, logits.width
        self.dtype, self.device = logits.dtype, logits.device
        self._suits = {SMALL: True}

    def compute(self, rows: Tensor) -> Tensor:
        return self.packed.exponentials(rows, self.offset)

    def with_sums(self, block: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The exponentials of one of `blocks`, [rows, n], and the sum of each row, in ``dtype``."""
        powers = self.compute(self.pad_rows(block)).to(dtype)
        # The sum of one row alone would be added up in another order.
        return powers[: len(block)], powers.sum(1)[: len(block)]


def blocks(rows: int, *products: Product) -> list[slice]:
    """Cut ``rows`` into blocks that suit all ``products``, the largest first."""
    cut: list[slice] = []
    start = 0
    for size in BLOCK_SIZES:
        least = 1 if size == SMALL else size * FULL_ENOUGH
        if rows - start < least or not all(each.is_bit_exact(size) for each in products):
            continue
        while rows - start >= least:
            cut.append(slice(start, min(start + size, rows)))
            start = cut[-1].stop
    return cut


def in_blocks(product: Product, rows: Tensor) -> Tensor:
    """The product of any number of rows, each row's the same in any company."""
    if not len(rows):
        return rows.new_empty(0, product.size)
    parts = [product(rows[block].to(product.dtype)) for block in blocks(len(rows), product)]
    return torch.cat(parts).to(rows.dtype)
