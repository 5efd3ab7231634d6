"""The big softmax and its loss, a few hundred rows at a time, so that all logits never exist."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from s2s_cli.model.libraries import add_product, linear
from s2s_cli.model.precision import accumulation_dtype, autocast_dtype
from s2s_cli.model.products import PrepackedLinear

# Elements of a block of logits (16 MiB in fp32), and the fewest rows for which the gradient of
# the weights, as large as the weights, is worth visiting: 80 MB for the paper's 80,000 words.
BLOCK_ELEMENTS = 1 << 22
FEWEST_ROWS = 256
# A GPU has no such cache to stay in, and waits for the host between operations that are small:
# 1 GiB in fp32, 3,355 rows of 80,000 words.
GPU_BLOCK_ELEMENTS = 1 << 28


def negative_log_likelihood(hidden: Tensor, weight: Tensor, bias: Tensor, words: Tensor) -> Tensor:
    """Sum of -log softmax(hidden · weightᵀ + bias) at ``words``.

    Products are computed in bf16 under autocast, else in the type of ``hidden``; normalisers, loss
    and the gradients of the parameters in fp32 or better.

    Args:
        hidden: [rows, cells].
        weight: [vocabulary, cells].
        bias: [vocabulary].
        words: [rows] ids.

    Returns:
        A scalar.
    """
    if not torch.is_grad_enabled():  # which an autograd function is not told
        hidden, weight, bias = hidden.detach(), weight.detach(), bias.detach()
    compute_dtype = autocast_dtype(hidden)
    with torch.autocast(hidden.device.type, enabled=False):  # the types are chosen by hand
        rows = hidden.to(compute_dtype)
        total: Tensor = _BlockwiseLoss.apply(rows, weight, bias, words)  # type: ignore[no-untyped-call]
    return total


def block_rows(vocabulary: int, device_type: str) -> int:
    """Rows of logits computed at a time, on a device of type ``cpu`` or ``cuda``."""
    elements = BLOCK_ELEMENTS if device_type == "cpu" else GPU_BLOCK_ELEMENTS
    return max(FEWEST_ROWS, elements // vocabulary)


class _BlockwiseLoss(torch.autograd.Function):
    """Loss and gradient in one pass: the logits of a block are used for both, then forgotten."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, words: Tensor) -> Tensor:
        rounded_weight = weight.to(hidden.dtype)
        logits_of = linear(rounded_weight, bias)
        wanted = any(ctx.needs_input_grad[:3])
        if wanted:
            back = linear(rounded_weight.T)
            gradients = torch.empty_like(hidden), torch.empty_like(weight), torch.zeros_like(bias)
        total = torch.zeros((), dtype=accumulation_dtype(hidden.dtype), device=hidden.device)
        rows = block_rows(weight.shape[0], weight.device.type)
        for start in range(0, hidden.shape[0], rows):
            block = slice(start, start + rows)
            logits = logits_of.widened(hidden[block])
            largest, at_words = logits.amax(1), logits.gather(1, words[block, None]).squeeze(1)
            # One pass for all of softmax: the block is larger than a cache. The normaliser comes
            # back from the largest probability, which is far from underflow.
            probabilities = torch.softmax(logits, 1, out=logits)
            total += (largest - probabilities.amax(1).log() - at_words).sum()
            if wanted:
                # d loss / d logits = softmax - one-hot
                minus = total.new_full((1, 1), -1.0).expand(len(logits), 1)
                delta = probabilities.scatter_add_(1, words[block, None], minus)
                accumulate(delta, hidden[block], back, block, gradients, first=start == 0)
        if wanted:
            ctx.save_for_backward(*gradients)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, bias = ctx.saved_tensors
        return (
            hidden.mul_(scale),
            weight.mul_(scale),
            bias.mul_(scale),
            None,
        )


def accumulate(
    delta: Tensor,
    hidden: Tensor,
    back: PrepackedLinear,
    block: slice,
    gradients: tuple[Tensor, Tensor, Tensor],
    *,
    first: bool,
) -> None:
    """Add what one block of d loss / d logits contributes to the three gradients.

    ``first``: that of the weights is not begun yet, and holds anything.
    """
    of_hidden, of_weight, of_bias = gradients
    of_bias += delta.sum(0)
    rounded = delta.to(hidden.dtype)
    of_hidden[block] = back(rounded)
    add_product(of_weight, rounded.T, hidden, first=first)
