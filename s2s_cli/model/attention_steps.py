"""Attention one step after the other, with its gradient: for input feeding."""

from collections.abc import Sequence
from typing import assert_never

import torch
from torch import Tensor

from s2s_cli.model.cell_layer import quick_tanh
from s2s_cli.model.config import AttentionScore
from s2s_cli.model.libraries import matrix_product
from s2s_cli.model.packed import rounded_up, tanh_backward
from s2s_cli.model.precision import accumulation_dtype
from s2s_cli.model.products import PrepackedLinear


class AttentionSteps:
    """The weights of an `Attention` laid out, and what its gradient needs of every step.

    Products with weights are of type ``dtype``; scores, softmax and contexts are fp32 or better.
    """

    def __init__(
        self,
        score: AttentionScore,
        mask: Tensor,
        outputs: Tensor,
        keys: Tensor,
        query: Tensor | None,
        combine: Tensor,
        value: Tensor | None,
        rows: int,
        dtype: torch.dtype,
    ) -> None:
        """Lay out weights; sources have `SourceWords`' tensors, ``rows`` are those of all steps."""
        self.score, self.mask, self.outputs, self.keys = score, mask, outputs, keys
        self.value = None if value is None else value[0]
        self.dtype, self.kept = dtype, accumulation_dtype(dtype)
        self.query = None if query is None else query.to(dtype)
        self.combine = combine.to(dtype)
        self.by_query = None if self.query is None else PrepackedLinear(self.query)
        self.by_combine = PrepackedLinear(self.combine)
        # Context and hidden state of each step, and what was found.
        self.reads = rounded_up(combine.new_zeros(rows, combine.shape[1], dtype=dtype))
        self.found = combine.new_empty(rows, len(combine), dtype=self.kept)
        self.queries = combine.new_empty(rows, keys.shape[2], dtype=self.kept)
        self.weights: list[Tensor] = []
        self.tanhs: list[Tensor] = []

    def forward(self, own: slice, hidden: Tensor) -> Tensor:
        """The attentional hidden states of a step [rows, cells], whose rows are ``own``."""
        size, width = len(hidden), self.outputs.shape[2]
        read = self.reads[own]
        read[:, width:] = hidden
        query = hidden
        if self.by_query is not None:
            query = self.by_query.multiply(read[:, width:].contiguous()).to(self.kept)
        self.queries[own] = query
        scores = self.scores(query, self.keys[:size])
        weights = scores.masked_fill_(self.mask[:size], float("-inf")).softmax(1)
        self.weights.append(weights)
        read[:, :width] = torch.bmm(weights[:, None], self.outputs[:size]).squeeze(1)
        found = self.found[own]
        torch.tanh(self.by_combine.multiply(read).to(self.kept), out=found)
        return found

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """Scores [rows, length] of one query [rows, m] for each source."""
        match self.score:
            case "dot" | "general":
                return torch.bmm(keys, query[:, :, None]).squeeze(2)
            case "additive":
                assert self.value is not None
                self.tanhs.append(quick_tanh(query[:, None] + keys))
                return self.tanhs[-1] @ self.value
            case _:
                assert_never(self.score)

    def start_backward(self, sizes: Sequence[int]) -> None:
        """Lay out what the way back needs, given the rows of each step."""
        self.back_query = None if self.query is None else PrepackedLinear(self.query.T)
        self.back_combine = PrepackedLinear(self.combine.T)
        self.of_combine = self.reads.new_zeros(len(self.reads), len(self.combine))
        self.of_queries = torch.empty_like(self.queries)
        batch, steps, length = sizes[0], len(sizes), self.keys.shape[1]
        zeros = self.outputs.new_zeros
        # By sentence and step, zeros where a target has ended.
        self.all_weights, self.d_scores = (zeros(batch, steps, length) for _ in range(2))
        self.d_contexts = zeros(batch, steps, self.outputs.shape[2])
        self.d_keys = torch.zeros_like(self.keys) if self.value is not None else None
        self.d_value = None if self.value is None else torch.zeros_like(self.value)

    def backward(self, own: slice, d_found: Tensor) -> Tensor:
        """The gradient of a step's hidden states. Steps come in reverse order."""
        size, width, weights = len(d_found), self.outputs.shape[2], self.weights.pop()
        step = len(self.weights)
        d_sums = self.of_combine[own]
        d_sums.copy_(tanh_backward(d_found, self.found[own], torch.empty_like(d_found)))
        d_context, d_hidden = (
            self.back_combine.multiply(d_sums).to(self.kept).tensor_split([width], 1)
        )
        d_weights = torch.bmm(self.outputs[:size], d_context[:, :, None]).squeeze(2)
        d_scores = torch._softmax_backward_data(d_weights, weights, 1, weights.dtype)
        self.all_weights[:size, step], self.d_scores[:size, step] = weights, d_scores
        self.d_contexts[:size, step] = d_context
        d_query = self.scores_backward(d_scores)
        self.of_queries[own] = d_query
        if self.back_query is not None:
            d_query = self.back_query.multiply(d_query.to(self.dtype)).to(self.kept)
        return d_hidden + d_query

    def scores_backward(self, d_scores: Tensor) -> Tensor:
        """The gradient of the queries, given that of their scores."""
        size = len(d_scores)
        match self.score:
            case "dot" | "general":
                return torch.bmm(d_scores[:, None], self.keys[:size]).squeeze(1)
            case "additive":
                assert self.value is not None and self.d_value is not None
                assert self.d_keys is not None
                tanhs = self.tanhs.pop()
                self.d_value.addmv_(tanhs.flatten(0, 1).T, d_scores.flatten())
                d_sums = d_scores[:, :, None] * self.value
                tanh_backward(d_sums, tanhs, d_sums)
                self.d_keys[:size] += d_sums
                return d_sums.sum(1)
            case _:
                assert_never(self.score)

    def gradients(self, sizes: Sequence[int]) -> tuple[Tensor | None, ...]:
        """Gradients of encoder outputs, keys, and the weights of query, combine, value."""
        d_outputs = torch.bmm(self.all_weights.mT, self.d_contexts)
        d_keys = self.d_keys
        if d_keys is None:
            queries = torch.zeros_like(self.keys[:, :1]).repeat(1, len(sizes), 1)
            for step, query in enumerate(self.queries.split(list(sizes))):
                queries[: len(query), step] = query
            d_keys = torch.bmm(self.d_scores.mT, queries)
        d_query = None
        if self.query is not None:
            hidden = self.reads[:, self.outputs.shape[2] :]
            of_queries = rounded_up(self.of_queries.to(self.dtype))
            d_query = matrix_product(of_queries.T, hidden).to(self.kept)
        d_combine = matrix_product(self.of_combine.T, self.reads).to(self.kept)
        d_value = None if self.d_value is None else self.d_value[None]
        return d_outputs, d_keys, d_query, d_combine, d_value
