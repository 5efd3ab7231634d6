"""The big softmax and its loss, a few hundred rows at a time, so that all logits never exist."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

# Elements of a block of logits (16 MiB in fp32), and the fewest rows for which the gradient of
# the weights, as large as the weights, is worth visiting: 80 MB for the paper's 80,000 words.
BLOCK_ELEMENTS = 1 << 22
FEWEST_ROWS = 256


def negative_log_likelihood(hidden: Tensor, weight: Tensor, bias: Tensor, words: Tensor) -> Tensor:
    """Sum of -log softmax(hidden · weightᵀ + bias) at ``words``.

    Products are computed in the type of ``hidden`` (bf16 under autocast), normalisers, loss and
    the gradients of the parameters in fp32 or better.

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
    with torch.autocast(hidden.device.type, enabled=False):  # the types are chosen by hand
        total: Tensor = _BlockwiseLoss.apply(hidden, weight, bias, words)  # type: ignore[no-untyped-call]
    return total


def block_rows(vocabulary: int) -> int:
    """Rows of logits computed at a time."""
    return max(FEWEST_ROWS, BLOCK_ELEMENTS // vocabulary)


class _BlockwiseLoss(torch.autograd.Function):
    """Loss and gradient in one pass: the logits of a block are used for both, then forgotten."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, words: Tensor) -> Tensor:
        exact = torch.promote_types(hidden.dtype, torch.float32)
        low_weight, low_bias = weight.to(hidden.dtype), bias.to(hidden.dtype)
        wanted = any(ctx.needs_input_grad[:3])
        if wanted:
            gradients = torch.empty_like(hidden), torch.zeros_like(weight), torch.zeros_like(bias)
        total = torch.zeros((), dtype=exact, device=hidden.device)
        rows = block_rows(weight.shape[0])
        for start in range(0, hidden.shape[0], rows):
            block = slice(start, start + rows)
            logits = F.linear(hidden[block], low_weight, low_bias).to(exact)
            # Few passes over the block: it is larger than a cache.
            logits -= logits.amax(1, keepdim=True)
            at_words = logits.gather(1, words[block, None])
            sums = logits.exp_().sum(1, keepdim=True)
            total += (sums.log() - at_words).sum()
            if wanted:
                # d loss / d logits = softmax - one-hot
                delta = logits.div_(sums)
                delta.scatter_add_(1, words[block, None], torch.full_like(sums, -1.0))
                _accumulate(delta, hidden[block], low_weight, block, gradients)
        if wanted:
            ctx.save_for_backward(*gradients)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, bias = ctx.saved_tensors
        return (
            hidden.mul_(scale.to(hidden.dtype)),
            weight.mul_(scale),
            bias.mul_(scale),
            None,
        )


def _accumulate(
    delta: Tensor,
    hidden: Tensor,
    weight: Tensor,
    block: slice,
    gradients: tuple[Tensor, Tensor, Tensor],
) -> None:
    """Add what one block of d loss / d logits contributes to the three gradients."""
    of_hidden, of_weight, of_bias = gradients
    low = delta.to(hidden.dtype)
    of_bias += low.sum(0, dtype=of_bias.dtype)
    torch.mm(low, weight, out=of_hidden[block])
    if of_weight.dtype == low.dtype:
        of_weight.addmm_(low.T, hidden)
    else:
        of_weight += low.T @ hidden
