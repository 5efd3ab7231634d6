"""Attention (`model.attention`) from rows of hypotheses to the words of their sources.

As with all of search, a row's result depends on the row alone: it looks at the words of one source,
among a fixed number of rows. On a GPU several sources share an operation (`source_blocks`).
"""

from collections.abc import Sequence
from typing import NamedTuple, assert_never

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2s_cli.inference.source_blocks import in_source_blocks, make_blocks, padded_length
from s2s_cli.model.attention import Attention
from s2s_cli.model.cells import exp_tanh
from s2s_cli.model.products import SMALL, Product, in_blocks


class AttendedSource(NamedTuple):
    """The words of one source.

    Attributes:
        encoder_outputs: [length, n] a vector for each word; of a source in blocks, with rows of
            zeros behind them.
        keys: [length, m] what queries are compared with, likewise.
        words: how many there are.
    """

    encoder_outputs: Tensor
    keys: Tensor
    words: int


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
        words = len(outputs)
        keys = outputs if self.key is None else in_blocks(self.key, outputs)
        if in_source_blocks(outputs.device.type):
            fill = (0, 0, 0, padded_length(words) - words)
            padded = F.pad(outputs, fill)
            outputs, keys = padded, padded if keys is outputs else F.pad(keys, fill)
        return AttendedSource(outputs, keys, words)

    def attend(
        self, hidden: Tensor, source_index: Tensor, sources: Sequence[AttendedSource]
    ) -> tuple[Tensor, Tensor]:
        """Look from ``hidden`` [rows, cells] at ``sources[source_index[row]]``.

        Returns:
            Attentional hidden states [rows, cells], and weights [rows, length of the longest
            source], 0 behind the end of a source.
        """
        queries = hidden if self.query is None else in_blocks(self.query, hidden)
        longest = max((each.words for each in sources), default=0)
        if not len(queries):
            return hidden, hidden.new_zeros(0, longest)
        order = source_index.argsort(stable=True)
        counts = source_index.bincount(minlength=len(sources)).tolist()
        if in_source_blocks(hidden.device.type):
            context, weights = self.look_in_blocks(queries, order, counts, sources)
        else:
            context, weights = self.look(queries[order], counts, sources)
            back = order.argsort()
            context, weights = context[back], weights[back]
        attentional = exp_tanh(in_blocks(self.combine, torch.cat([context, hidden], 1)))
        return attentional, weights

    def look(
        self, queries: Tensor, counts: Sequence[int], sources: Sequence[AttendedSource]
    ) -> tuple[Tensor, Tensor]:
        """Contexts and weights of ``queries``, of which each source has its count, in order."""
        longest = max(each.words for each in sources)
        contexts, weights = [], []
        for rows, source in zip(queries.split(list(counts)), sources, strict=True):
            for part in rows.split(SMALL):
                padded = F.pad(part, (0, 0, 0, SMALL - len(part)))
                weight = self.attention_weights(padded, source.keys)
                contexts.append((weight @ source.encoder_outputs)[: len(part)])
                weights.append(F.pad(weight, (0, longest - weight.shape[1]))[: len(part)])
        return torch.cat(contexts), torch.cat(weights)

    def look_in_blocks(
        self,
        queries: Tensor,
        order: Tensor,
        counts: Sequence[int],
        sources: Sequence[AttendedSource],
    ) -> tuple[Tensor, Tensor]:
        """Contexts and weights of ``queries``; ``order`` puts the rows of a source side by side."""
        longest = max(each.words for each in sources)
        blocks, places = make_blocks(order, counts, [each.words for each in sources])
        contexts, weights = [], []
        for numbers, rows, words in blocks:
            block = [sources[number] for number in numbers]
            outputs = torch.stack([each.encoder_outputs for each in block])
            keys = outputs if self.key is None else torch.stack([each.keys for each in block])
            ended = torch.arange(keys.shape[1], device=keys.device) >= words[:, None, None]
            weight = self.attention_weights(queries[rows], keys, ended)
            contexts.append(torch.bmm(weight, outputs).flatten(0, 1))
            weights.append(F.pad(weight, (0, longest - weight.shape[2])).flatten(0, 1))
        return torch.cat(contexts)[places], torch.cat(weights)[places]

    def attention_weights(
        self, queries: Tensor, keys: Tensor, ended: Tensor | None = None
    ) -> Tensor:
        """The weights [..., `SMALL`, length] of words with ``keys`` [..., length, m].

        Those are 0 where a source has ``ended``. Queries are [..., `SMALL`, m].
        """
        match self.score:
            case "dot" | "general":
                scores = queries @ keys.mT
            case "additive":
                assert self.value is not None
                # Summed number by number: a product's bits could depend on the row's place.
                sums = queries[..., :, None, :] + keys[..., None, :, :]
                scores = (exp_tanh(sums) * self.value).sum(-1)
            case _:
                assert_never(self.score)
        if ended is None:
            return scores.softmax(-1)
        weights = scores.masked_fill(ended, float("-inf")).softmax(-1)
        return weights.masked_fill(ended, 0.0)  # those of a source without a word are no numbers


def linear_product(layer: nn.Linear | None, dtype: torch.dtype) -> Product | None:
    """The product of a layer, if there is one."""
    return Product(layer.weight, layer.bias, dtype) if layer else None
