"""Attention (`model.attention`) from rows of hypotheses to the words of their sources.

As with all of search, a row's result depends on the row alone: it looks at the words of one source,
among a fixed number of rows.
"""

from collections.abc import Sequence
from typing import NamedTuple, assert_never

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2s_cli.model.attention import Attention
from s2s_cli.model.cells import exp_tanh
from s2s_cli.model.products import SMALL, Product, in_blocks


class AttendedSource(NamedTuple):
    """The words of one source.

    Attributes:
        encoder_outputs: [length, n] a vector for each word.
        keys: [length, m] what queries are compared with.
    """

    encoder_outputs: Tensor
    keys: Tensor


class HypothesisAttention:
    """The weights of an `Attention`, laid out; what it does with single sources is not rounded."""

    def __init__(self, attention: Attention, compute_dtype: torch.dtype) -> None:
        """Lay out the weights; ``compute_dtype`` is that of `Product`."""
        self.score = attention.score
        self.query = linear_product(attention.query, compute_dtype)
        self.key = linear_product(attention.key, compute_dtype)
        self.combine = Product(attention.combine.weight, dtype=compute_dtype)
        self.value = attention.value.weight[0] if attention.value else None

    def source(self, outputs: Tensor) -> AttendedSource:
        """One source, given its encoder outputs [length, n]."""
        return AttendedSource(
            outputs, outputs if self.key is None else in_blocks(self.key, outputs)
        )

    def attend(
        self, hidden: Tensor, source_index: Tensor, sources: Sequence[AttendedSource]
    ) -> tuple[Tensor, Tensor]:
        """Look from ``hidden`` [rows, cells] at ``sources[source_index[row]]``.

        Returns:
            Attentional hidden states [rows, cells], and weights [rows, length of the longest
            source], 0 behind the end of a source.
        """
        queries = hidden if self.query is None else in_blocks(self.query, hidden)
        longest = max((len(each.keys) for each in sources), default=0)
        order = source_index.argsort(stable=True)
        counts = source_index.bincount(minlength=len(sources)).tolist()
        contexts, weights = [], []
        for rows, source in zip(queries[order].split(counts), sources, strict=True):
            for part in rows.split(SMALL):
                padded = F.pad(part, (0, 0, 0, SMALL - len(part)))
                weight = self.attention_weights(padded, source)
                contexts.append((weight @ source.encoder_outputs)[: len(part)])
                weights.append(F.pad(weight, (0, longest - weight.shape[1]))[: len(part)])
        if not contexts:
            return hidden, hidden.new_zeros(0, longest)
        back = order.argsort()
        context = torch.cat(contexts)[back]
        attentional = exp_tanh(in_blocks(self.combine, torch.cat([context, hidden], 1)))
        return attentional, torch.cat(weights)[back]

    def attention_weights(self, queries: Tensor, source: AttendedSource) -> Tensor:
        """The weights of all words of ``source`` for `SMALL` queries: [SMALL, length]."""
        match self.score:
            case "dot" | "general":
                scores = queries @ source.keys.T
            case "additive":
                assert self.value is not None
                # Summed number by number: a product's bits could depend on the row's place.
                scores = (exp_tanh(queries[:, None] + source.keys) * self.value).sum(2)
            case _:
                assert_never(self.score)
        return scores.softmax(1)


def linear_product(layer: nn.Linear | None, dtype: torch.dtype) -> Product | None:
    """The product of a layer, if there is one."""
    return Product(layer.weight, layer.bias, dtype) if layer else None
