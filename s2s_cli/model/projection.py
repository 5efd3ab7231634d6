"""A linear layer of training outside recurrent layers: products of the type of autocast."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from s2s_cli.model.libraries import linear, matrix_product
from s2s_cli.model.packed import rounded_up
from s2s_cli.model.precision import accumulation_dtype


def project(
    rows: Tensor, weight: Tensor, bias: Tensor | None = None, *, dtype: torch.dtype
) -> Tensor:
    """``rows`` [rows, k] · ``weight`` [n, k]ᵀ + ``bias``: [rows, n], of products of ``dtype``.

    Results and gradients are fp32 or better.
    """
    result: Tensor = _Projection.apply(rows, weight, bias, dtype)  # type: ignore[no-untyped-call]
    return result


class _Projection(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None, dtype: torch.dtype
    ) -> Tensor:
        read = rounded_up(rows.to(dtype))
        ctx.save_for_backward(read, weight)
        ctx.rows, ctx.dtype, ctx.biased = len(rows), dtype, bias is not None
        product = linear(weight.to(dtype), bias)(read)
        return product[: len(rows)].to(accumulation_dtype(dtype))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_product: Tensor) -> tuple[Any, ...]:
        read, weight = ctx.saved_tensors
        gradient = rounded_up(d_product.to(ctx.dtype))
        d_rows = matrix_product(gradient, weight.to(ctx.dtype))[: ctx.rows]
        d_weight = matrix_product(gradient.T, read)
        d_bias = d_product.sum(0) if ctx.biased else None
        return d_rows.to(d_product.dtype), d_weight.to(weight.dtype), d_bias, None
