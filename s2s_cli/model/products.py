"""Matrix products with weights laid out once, over blocks of rows whose results are the same.

A library's matrix product first copies the weights into the layout of its kernels. Where the same
weights meet a few rows again and again, as in a recurrent layer or a beam, that copy costs as much
as the product; `PrepackedLinear` makes it once. oneDNN, which torch carries, has both halves; where
they are missing (another build, another processor, float64, a GPU) the plain product is taken.

A library's result for a row may depend, in its last bits, on how many rows share the product. In
inference, a `Product` is therefore computed in blocks of exactly `SMALL` rows, the last one padded.
Larger blocks read the weights less often; a size is used where it was seen to give the same bits.
On a GPU, whose libraries give each size other bits and which waits between small operations, all
blocks have `GPU_ROWS`. A sentence then gets the same translation and the same score in any company.
"""

from collections.abc import Callable
from functools import cache, partial

import torch
import torch.nn.functional as F
from torch import Tensor

from s2s_cli.model.int8 import Int8Linear
from s2s_cli.model.precision import accumulation_dtype

# A layout is chosen for about so many rows; it is right for any number.
ROWS = 64
# Sums of exponentials that can be relied on: no summand is so large that σ is not an exponential
# any more (to 1e-6), and what is too small for fp32 is nothing beside them.
LEAST, MOST = 1e-26, 1e-6
# How far above the usual logarithm of a sum the offset is: sums are usually 1e-14, in the middle of
# that range.
MARGIN = 32.0
# Rows of the blocks of `Product`.
SMALL = 16
BLOCK_SIZES = (256, 64, SMALL)
# Rows of the blocks on a GPU: a beam of 1,020 rows has four, and one sentence does not cost much.
GPU_ROWS = 256
# What is left for a block makes one if it fills so much of it: less than that is cut further.
FULL_ENOUGH = 0.75
# A block of results has at most so many numbers (24 MiB in fp32), or `SMALL` rows.
PRODUCT_ELEMENTS = 6 << 20


class PrepackedLinear:
    """The weights [n, k] of ``rows · weightᵀ + bias``, ready for many products.

    Results are of the type of the weights; sums within a product are fp32 or better.

    Attributes:
        multiply: the product of ``rows`` [rows, k]: [rows, n].
        multiply_add: the same, of ``rows`` and ``other`` [rows, n], which is added to it.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None, *, plain: bool = False) -> None:
        """Lay out ``weight`` [n, k]; the products are for as long as it does not change.

        Args:
            weight: of any strides.
            bias: [n].
            plain: do not; take torch's own product (`libraries.linear`).
        """
        self.size, self.bias = len(weight), bias
        # The products are bound once: a recurrent layer takes one in every step.
        self.multiply: Callable[[Tensor], Tensor]
        self.multiply_add: Callable[[Tensor, Tensor], Tensor]
        if packs(weight.dtype, weight.device.type) and not plain:
            linear = torch.ops.mkldnn._linear_pointwise
            self.layout = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), ROWS)
            to = {"W": self.layout, "B": bias}
            self.multiply = partial(linear, **to, attr="none", scalars=[], algorithm="")
            self.multiply_add = partial(linear.binary, **to, attr="add")
        else:
            self.weight = weight
            own = None if bias is None else bias.to(weight.dtype)
            own_product = partial(F.linear, weight=weight, bias=own)
            self.multiply = own_product
            self.multiply_add = lambda rows, other: own_product(rows).add_(other)

    def __call__(self, rows: Tensor) -> Tensor:
        """``rows`` [rows, k] · weightᵀ + bias: [rows, n]."""
        return self.multiply(rows)

    def widened(self, rows: Tensor) -> Tensor:
        """``rows`` · weightᵀ + bias in fp32 or better, not rounded before where torch can."""
        if not widens(rows.dtype, rows.device.type):
            return self.multiply(rows).to(accumulation_dtype(rows.dtype))
        result = torch.mm(rows, self.weight.T, out_dtype=torch.float32)
        return result if self.bias is None else result.add_(self.bias)

    def exponentials(self, rows: Tensor, offset: float) -> Tensor:
        """exp(``rows`` · weightᵀ + bias - ``offset``), [rows, n], where these are small.

        Only where `fuses_exp`, and with a bias. The product squashes its results while they are in
        registers, which costs next to nothing, by σ(z) = exp(z) / (1 + exp(z)). Where the sum of
        a row is `reliable`, that is the exponential. Below exp(-86) it is 0. In bf16 exponentials
        are rounded, which is less harm than rounding logits.
        """
        assert self.bias is not None
        powers: Tensor = torch.ops.mkldnn._linear_pointwise(
            rows, self.layout, self.bias - offset, "sigmoid", [], ""
        )
        return powers


def reliable(sums: Tensor) -> Tensor:
    """Mark sums of exponentials between `LEAST` and `MOST`; none that is not a number."""
    return (sums > LEAST) & (sums < MOST)


@cache
def packs(dtype: torch.dtype, device_type: str) -> bool:
    """Return whether torch can pack weights of this type here: tried on a small product."""
    if device_type != "cpu" or dtype not in (torch.float32, torch.bfloat16):
        return False
    with torch.no_grad():
        weight, rows = torch.eye(32, dtype=dtype), torch.ones(4, 32, dtype=dtype)
        try:
            layout = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS)
            product = torch.ops.mkldnn._linear_pointwise(rows, layout, None, "none", [], "")
            total = torch.ops.mkldnn._linear_pointwise.binary(rows, rows, layout, None, "add")
        except (AttributeError, NotImplementedError, RuntimeError):
            return False
    return torch.equal(product, rows) and torch.equal(total, 2 * rows)


@cache
def widens(dtype: torch.dtype, device_type: str) -> bool:
    """Return whether torch has products of bf16 whose results are fp32 here: tried on a small one.

    Only GPUs have them. Elsewhere results are rounded to bf16, and converted in another pass.
    """
    if device_type == "cpu" or dtype != torch.bfloat16:
        return False
    with torch.no_grad():
        one = torch.full((16, 16), 1.0078125, dtype=dtype, device=device_type)
        try:
            product = torch.mm(one, one, out_dtype=torch.float32)
        except (TypeError, NotImplementedError, RuntimeError):
            return False
    # 16 · (1 + 2⁻⁷)² has more digits than a bf16.
    return product.dtype == torch.float32 and bool((product == 16.2509765625).all())


@cache
def fuses_exp(dtype: torch.dtype, device_type: str) -> bool:
    """Return whether a product of packed weights can squash its results exactly: tried."""
    if not packs(dtype, device_type):
        return False
    with torch.no_grad():
        rows, bias = torch.zeros(4, 32, dtype=dtype), torch.linspace(-80, -20, 32)
        layout = torch.ops.mkldnn._reorder_linear_weight(torch.eye(32, dtype=dtype), ROWS)
        try:
            powers = torch.ops.mkldnn._linear_pointwise(rows, layout, bias, "sigmoid", [], "")
        except (AttributeError, NotImplementedError, RuntimeError):
            return False
    exact = bias.double().exp().expand(4, 32)
    return torch.allclose(powers.double(), exact, rtol=8 * torch.finfo(dtype).eps, atol=0)


class Product:
    """``rows · weightᵀ + bias`` for blocks of rows."""

    def __init__(
        self, weight: Tensor, bias: Tensor | None = None, dtype: torch.dtype | None = None
    ) -> None:
        """Lay out ``weight`` [n, k].

        Args:
            weight: which must not change afterwards.
            bias: [n].
            dtype: of rows and results, as which the weights are rounded; None: their own. int8:
                they are quantised, and so is every row; rows and results are of their own type.
        """
        self.packed: PrepackedLinear | Int8Linear
        if dtype == torch.int8:
            self.packed = Int8Linear(weight, bias)
        else:
            weight = weight.to(dtype or weight.dtype)
            self.packed = PrepackedLinear(weight, bias)
        self.size, self.width = weight.shape
        self.dtype, self.device = weight.dtype, weight.device
        self.sizes = block_sizes(self.device.type)
        self._suits = {self.sizes[-1]: True}

    @property
    def fuses_exp(self) -> bool:
        """True where `Exponentials` can be had of it."""
        return isinstance(self.packed, Int8Linear) or fuses_exp(self.dtype, self.device.type)

    def is_bit_exact(self, rows: int) -> bool:
        """Try whether blocks of ``rows``, a multiple of the smallest, give the bits of those."""
        if rows not in self._suits:
            self._suits[rows] = rows * self.size <= PRODUCT_ELEMENTS and self._agrees(rows)
        return self._suits[rows]

    def _agrees(self, rows: int) -> bool:
        generator = torch.Generator().manual_seed(0)
        block = torch.randn(rows, self.width, generator=generator).to(self.device, self.dtype)
        parts = [self.compute(part) for part in block.split(self.sizes[-1])]
        return torch.equal(self.compute(block), torch.cat(parts))

    def __call__(self, block: Tensor) -> Tensor:
        """The product for one of `blocks`: [rows, n]."""
        return self.compute(self.pad_rows(block))[: len(block)]

    def pad_rows(self, block: Tensor) -> Tensor:
        """One of `blocks`, with rows of zeros up to one of the sizes."""
        rows = len(block)
        size = min(size for size in self.sizes if size >= rows and self.is_bit_exact(size))
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
        self.dtype, self.device, self.sizes = logits.dtype, logits.device, logits.sizes
        self._suits = {self.sizes[-1]: True}

    def compute(self, rows: Tensor) -> Tensor:
        return self.packed.exponentials(rows, self.offset)

    def with_sums(self, block: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The exponentials of one of `blocks`, [rows, n], and the sum of each row, in ``dtype``."""
        powers = self.compute(self.pad_rows(block)).to(dtype)
        # The sum of one row alone would be added up in another order.
        return powers[: len(block)], powers.sum(1)[: len(block)]


def block_sizes(device_type: str) -> tuple[int, ...]:
    """Rows that blocks may have on a device of type ``cpu`` or ``cuda``, the largest first."""
    return BLOCK_SIZES if device_type == "cpu" else (GPU_ROWS,)


def blocks(rows: int, *products: Product) -> list[slice]:
    """Cut ``rows`` into blocks that suit all ``products``, the largest first."""
    cut: list[slice] = []
    start = 0
    sizes = products[0].sizes
    for size in sizes:
        least = 1 if size == sizes[-1] else size * FULL_ENOUGH
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
