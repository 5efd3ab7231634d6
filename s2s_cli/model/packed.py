"""Matrix products with weights laid out once as the processor reads them.

A library's matrix product first copies the weights into the layout of its kernels. Where the same
weights meet a few rows again and again, as in a recurrent layer or a beam, that copy costs as much
as the product; `Packed` makes it once. oneDNN, which torch carries, has both halves; where they
are missing (another build, another processor, float64, a GPU) the plain product is taken.
"""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

# A layout is chosen for about so many rows; it is right for any number.
ROWS = 64


class Packed:
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


def lowered(rows: Tensor) -> torch.dtype:
    """The type in which products with ``rows`` are computed: bf16 under autocast."""
    device_type = rows.device.type
    enabled = torch.is_autocast_enabled(device_type)
    return torch.get_autocast_dtype(device_type) if enabled else rows.dtype


def exact(dtype: torch.dtype) -> torch.dtype:
    """The type of states, sums and losses where products are of type ``dtype``: at least fp32."""
    return torch.promote_types(dtype, torch.float32)
