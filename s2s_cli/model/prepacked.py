"""Matrix products with weights laid out once as the processor reads them.

A library's matrix product first copies the weights into the layout of its kernels. Where the same
weights meet a few rows again and again, as in a recurrent layer or a beam, that copy costs as much
as the product; `PrepackedLinear` makes it once. oneDNN, which torch carries, has both halves; where
they are missing (another build, another processor, float64, a GPU) the plain product is taken.
"""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

# A layout is chosen for about so many rows; it is right for any number.
ROWS = 64
# Sums of exponentials that can be relied on: no summand is so large that σ is not an exponential
# any more (to 1e-6), and what is too small for fp32 is nothing beside them.
LEAST, MOST = 1e-26, 1e-6
# How far above the usual logarithm of a sum the offset is: sums are usually 1e-14, in the middle of
# that range.
MARGIN = 32.0


class PrepackedLinear:
    """The weights [n, k] of ``rows · weightᵀ + bias``, ready for many products.

    Results are of the type of the weights; sums within a product are fp32 or better.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        """Lay out ``weight`` [n, k]; the products are for as long as it does not change."""
        self.size, self.bias = len(weight), bias
        self.plain: Tensor | None = None
        if packs(weight.dtype, weight.device.type):
            self.layout = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), ROWS)
        else:
            self.plain = weight
            self.bias = None if bias is None else bias.to(weight.dtype)

    def __call__(self, rows: Tensor) -> Tensor:
        """``rows`` [rows, k] · weightᵀ + bias: [rows, n]."""
        if self.plain is not None:
            return F.linear(rows, self.plain, self.bias)
        product: Tensor = torch.ops.mkldnn._linear_pointwise(
            rows, self.layout, self.bias, "none", [], ""
        )
        return product

    def added_to(self, other: Tensor, rows: Tensor) -> Tensor:
        """``other`` [rows, n] + ``rows`` [rows, k] · weightᵀ + bias."""
        if self.plain is not None:
            return F.linear(rows, self.plain, self.bias).add_(other)
        total: Tensor = torch.ops.mkldnn._linear_pointwise.binary(
            rows, other, self.layout, self.bias, "add"
        )
        return total

    def exponentials(self, rows: Tensor, offset: float) -> Tensor:
        """exp(``rows`` · weightᵀ + bias - ``offset``), [rows, n], where these are small.

        Only where `fuses_exp`, and with a bias. The product fuses_exp its results while they are in
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
    """Which sums of exponentials lie between `LEAST` and `MOST`; none that is not a number."""
    return (sums > LEAST) & (sums < MOST)


@cache
def packs(dtype: torch.dtype, device_type: str) -> bool:
    """Whether torch can pack weights of this type here: tried on a small product."""
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
def fuses_exp(dtype: torch.dtype, device_type: str) -> bool:
    """Whether the product of packed weights can squash its results, and does so exactly: tried."""
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
