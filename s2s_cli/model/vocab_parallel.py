"""Vocabulary-parallel softmax: each device multiplies by its rows of the output weights (§3.5).

Softmax over all words is put together from what each device tells of a row: its largest logit, its
sum of exponentials, and the logit at the word if it has that. Logits and weights stay where they
are.
"""

from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import Parameter

from s2s_cli.model.libraries import add_product, linear
from s2s_cli.model.placement import Placement
from s2s_cli.model.precision import accumulation_dtype, autocast_dtype
from s2s_cli.model.softmax import block_rows


class VocabParallelSoftmax(nn.Module):
    """Weights and biases of the output layer, each device's apart."""

    def __init__(self, whole: nn.Linear, placement: Placement) -> None:
        super().__init__()
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        self.starts: list[int] = []
        self.keeps = placement.keeps
        for place, rows in placement.sliced():
            device = placement.devices[place]
            self.starts.append(rows.start)
            self.weights.append(Parameter(whole.weight.detach()[rows].to(device, copy=True)))
            self.biases.append(Parameter(whole.bias.detach()[rows].to(device, copy=True)))

    def shards(self) -> dict[str, list[Parameter]]:
        """The parameters of the whole layer by the names they have in a `Seq2Seq`."""
        return {"softmax.weight": [*self.weights], "softmax.bias": [*self.biases]}

    def loss(self, words: Tensor) -> "VocabParallelLoss":
        """The loss of a batch in which ``words``, [rows] ids, are to be predicted."""
        return VocabParallelLoss(self, words)


class VocabParallelLoss:
    """Sum of -log softmax at the words of a batch, whose hidden states come chunk by chunk.

    Attributes:
        total: the sum so far, a scalar on the first slice's device.
    """

    def __init__(self, layer: VocabParallelSoftmax, words: Tensor) -> None:
        self.done = 0
        parameters = [*layer.weights, *layer.biases]
        device = parameters[0].device
        compute_dtype = autocast_dtype(parameters[0])
        wanted, keep = torch.is_grad_enabled(), layer.keeps
        with torch.autocast(device.type, enabled=False):  # the types are chosen by hand
            self.slices = [
                VocabShard(
                    start, weight.detach(), bias.detach(), compute_dtype, wanted=wanted, keep=keep
                )
                for start, weight, bias in zip(
                    layer.starts, layer.weights, layer.biases, strict=True
                )
            ]
            self.weights: Tensor = _Weights.apply(self.slices, *parameters)  # type: ignore[no-untyped-call]
        # Sent before there is any work: a copy waits for what its source and its target do.
        self.words = [on(each.device, words) for each in self.slices]
        self.total = torch.zeros((), dtype=accumulation_dtype(compute_dtype), device=device)

    def add(self, hidden: Tensor) -> None:
        """Add the loss of the next rows, [rows, cells] on any device."""
        words = [each[self.done : self.done + len(hidden)] for each in self.words]
        self.done += len(hidden)
        with torch.autocast(hidden.device.type, enabled=False):
            rows = hidden.to(self.slices[0].compute_dtype)
            self.total = self.total + _Loss.apply(rows, self.weights, self.slices, words)  # type: ignore[no-untyped-call]


class VocabShard:
    """One device's rows of the output layer while a batch lasts, and their gradient so far.

    What the layers below wait for is computed first. The gradient of the weights has time until
    they have gone back through all their time steps, and is computed meanwhile; what it takes is
    kept, the slice's probabilities of every row (`Placement.keeps`).
    """

    def __init__(
        self,
        start: int,
        weight: Tensor,
        bias: Tensor,
        compute_dtype: torch.dtype,
        *,
        wanted: bool,
        keep: bool,
    ) -> None:
        self.start, self.size, self.compute_dtype, self.keep = (
            start,
            len(weight),
            compute_dtype,
            keep,
        )
        self.device, self.accumulation_dtype = weight.device, accumulation_dtype(compute_dtype)
        rounded_weight = weight.to(compute_dtype)
        self.product = linear(rounded_weight, bias)
        self.kept: list[tuple[Tensor, Tensor]] = []
        self.scale: Tensor | None = None
        if wanted:
            self.back = linear(rounded_weight.T)
            self.of_weight, self.of_bias = torch.zeros_like(weight), torch.zeros_like(bias)

    def read(self, hidden: Tensor, words: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute a block of rows: largest logit, sum of exponentials above it, logit at the word.

        The last is zero where the word is in another slice.
        """
        self.hidden, self.place = hidden, (words - self.start).clamp(0, self.size - 1)
        self.mine = ((words - self.start) == self.place).to(self.accumulation_dtype)
        logits = self.product.widened(hidden)
        self.largest = logits.amax(1)
        at_word = logits.gather(1, self.place[:, None]).squeeze(1) * self.mine
        self.exponentials = logits.sub_(self.largest[:, None]).exp_()
        return self.largest, self.exponentials.sum(1), at_word

    def gradient(self, normaliser: Tensor) -> Tensor:
        """The slice's share of the gradient of ``hidden``; that of the weights is begun.

        Args:
            normaliser: [rows] log of the sum of the exponentials of all slices' logits.
        """
        probabilities = self.exponentials.mul_((self.largest - normaliser).exp_()[:, None])
        # d loss / d logits = softmax - one-hot
        delta = probabilities.scatter_add_(1, self.place[:, None], -self.mine[:, None])
        self.of_bias += delta.sum(0)
        rounded = delta.to(self.compute_dtype)
        if self.keep:
            self.kept.append((rounded, self.hidden))
        else:
            add_product(self.of_weight, rounded.T, self.hidden, first=False)
        return self.back(rounded)

    def gradients(self) -> tuple[Tensor, Tensor]:
        """Gradients of weights and biases, times the scale that the loss was given."""
        for rounded, hidden in self.kept:
            add_product(self.of_weight, rounded.T, hidden, first=False)
        self.kept.clear()
        assert self.scale is not None
        scale = on(self.device, self.scale)
        of_weight, of_bias = self.of_weight, self.of_bias
        del self.of_weight, self.of_bias  # what nobody else has is taken over, not copied
        return of_weight.mul_(scale), of_bias.mul_(scale)


class _Weights(torch.autograd.Function):
    """Stand-in for all weights until every chunk has gone back and added to their gradient."""

    @staticmethod
    def forward(ctx: Any, slices: list[VocabShard], *parameters: Tensor) -> Tensor:
        ctx.slices = slices
        return parameters[0].new_zeros(())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, _: Tensor) -> tuple[Any, ...]:
        of_weights, of_biases = zip(*(each.gradients() for each in ctx.slices), strict=True)
        return (None, *of_weights, *of_biases)


class _Loss(torch.autograd.Function):
    """Loss and gradient of a chunk in one pass, blocks of rows at a time."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weights: Tensor, slices: list[VocabShard], words: list[Tensor]
    ) -> Tensor:
        rows = min(block_rows(each.size, each.device.type) for each in slices)
        total = weights.new_zeros((), dtype=slices[0].accumulation_dtype)
        copies = [(on(s.device, hidden), own) for s, own in zip(slices, words, strict=True)]
        ctx.slices, ctx.shares = slices, [[] for _ in slices]
        for start in range(0, len(hidden), rows):
            told = [
                each.read(copy[start : start + rows], ids[start : start + rows])
                for each, (copy, ids) in zip(slices, copies, strict=True)
            ]
            arrived = [on(total.device, torch.stack(numbers)) for numbers in told]
            largest, sums, at_words = zip(*arrived, strict=True)
            normaliser = log_sum(largest, sums)
            total += (normaliser - reduce(torch.add, at_words)).sum()
            if any(ctx.needs_input_grad[:2]):
                # All copies first: one behind a slice's products would wait for these.
                normalisers = [on(each.device, normaliser) for each in slices]
                for each, shares, own in zip(slices, ctx.shares, normalisers, strict=True):
                    shares.append(each.gradient(own))
        ctx.device, ctx.dtype = hidden.device, hidden.dtype
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor | None, ...]:
        for each in ctx.slices:
            each.scale = scale  # one for all time chunks: they are summed
        # Fetched here and not before: the top layer would have waited for them to read on.
        shares = [on(ctx.device, torch.cat(each)).to(scale.dtype) for each in ctx.shares]
        of_hidden = reduce(torch.add, shares).mul_(on(ctx.device, scale)).to(ctx.dtype)
        return of_hidden, torch.zeros_like(scale), None, None


def log_sum(largest: tuple[Tensor, ...], sums: tuple[Tensor, ...]) -> Tensor:
    """Log Σ ``sums[i]`` · exp(``largest[i]``) of slices i: [rows]."""
    most = reduce(torch.maximum, largest)
    parts = ((one - most).exp() * total for one, total in zip(largest, sums, strict=True))
    return most + reduce(torch.add, parts).log()


def on(device: torch.device, tensor: Tensor) -> Tensor:
    """``tensor`` on ``device``; a copy between GPUs is begun, not waited for."""
    return tensor.to(device, non_blocking=True)
