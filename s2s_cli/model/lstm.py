"""The deep LSTM over sentences of different lengths, without padding (Graves 2013; §2)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from s2s_cli.model.libraries import linear, matrix_product
from s2s_cli.model.packed import (
    ROWS_MULTIPLE,
    LayerInput,
    PackedLayers,
    rounded_up,
    sigmoid_backward,
    sums_by_index,
    tanh_backward,
    zeros_or_copy,
)
from s2s_cli.model.products import PrepackedLinear
from s2s_cli.model.sequences import EndedStates, States


class Lstm(PackedLayers, nn.LSTM):  # type: ignore[misc]
    """``nn.LSTM`` with the same parameters and results; `_Layer` computes it on a CPU."""

    kinds = 2

    def read_layer(self, layer: int, read: LayerInput, before: States) -> tuple[Tensor, States]:
        weights = self.all_weights[layer]
        hidden, *after = _Layer.apply(  # type: ignore[no-untyped-call]
            read.rows, *before, *weights, read.sizes, read.row_index, read.dtype
        )
        return hidden, tuple(after)


class _Layer(torch.autograd.Function):
    """One layer: rows [rows, size], states [batch, cells] → rows [rows, cells], last states.

    Input and recurrent weights stand side by side, so that a step is a single product with what it
    reads, x and the hidden state before: i, f, g, o = [x, h] · [W_ih, W_hh]ᵀ + b. Where an index
    says which of a few inputs a row reads, W_ih · x is computed for these, once. The gradient of
    the weights is a single product over all steps.

    The candidate g is squashed by tanh z = 2 σ(2 z) - 1, twice the weights giving 2 z, so that one
    pass of σ serves all four gates; torch's own tanh takes several times as long.
    """

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        hidden_before: Tensor,
        cell_before: Tensor,
        from_input: Tensor,
        from_hidden: Tensor,
        input_bias: Tensor,
        hidden_bias: Tensor,
        sizes: list[int],
        index: Tensor | None,
        dtype: torch.dtype,
    ) -> tuple[Tensor, ...]:
        rows, cells = sum(sizes), from_hidden.shape[1]
        bias = candidate_times(2, input_bias + hidden_bias)
        words: Tensor | None = None
        if index is None:
            weight, size = joint_weight(from_input, from_hidden, dtype), inputs.shape[1]
            product = PrepackedLinear(candidate_times(2, weight), bias)
        else:
            weight, size = from_hidden.to(dtype, copy=True), 0
            product = PrepackedLinear(candidate_times(2, weight))
            words = rounded_up(inputs.to(dtype))
            from_words = linear(candidate_times(2, from_input.to(dtype, copy=True)), bias)
            of_words, step_words = from_words(words), index.split(sizes)
        # What each step reads: x (unless by index), and the hidden state before.
        all_reads = inputs.new_empty(rows + -rows % ROWS_MULTIPLE, size + cells, dtype=dtype)
        all_reads[rows:] = 0
        reads = all_reads[:rows]
        if index is None:
            reads[:, :size] = inputs
        reads[: sizes[0], size:] = hidden_before
        hidden, *saved = (cell_before.new_empty(rows, cells) for _ in range(5))
        gates, ended = list[Tensor](), EndedStates()
        states: States = hidden_before, cell_before
        going_on = [*reads[:, size:].split(sizes)[1:], reads[:0, size:]]
        views = zip(*(each.split(sizes) for each in (reads, hidden, *saved)), going_on, strict=True)
        for number, (read, top, *stored, after) in enumerate(views):
            if index is None:
                gate = product.multiply(read).to(hidden.dtype).sigmoid_()
            else:
                of_step = of_words[step_words[number]]
                gate = product.multiply_add(read, of_step).to(hidden.dtype).sigmoid_()
            cell_forward(gate, states[1], stored, top)
            after.copy_(top[: len(after)])
            states = top, stored[1]
            if len(after) < len(top):
                states = ended.drop(states, len(after))
            gates.append(gate)
        ctx.sizes, ctx.gates, ctx.index, ctx.inputs = sizes, gates, index, len(inputs)
        ctx.save_for_backward(weight, all_reads, words, from_input, cell_before, *saved)
        ctx.set_materialize_grads(False)
        return hidden, *ended.put_back(states)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, d_hidden: Tensor | None, d_last_hidden: Tensor | None, d_last_cell: Tensor | None
    ) -> tuple[Any, ...]:
        weight, reads, words, from_input, cell_before, *saved = ctx.saved_tensors
        rows, size = sum(ctx.sizes), reads.shape[1] - cell_before.shape[1]
        # tanh' z = 4 σ'(2 z); with this factor in the weights, all gates have the derivatives of σ.
        product = PrepackedLinear(candidate_times(2, weight).T)
        # What reaches each sequence's state from the steps after; at first, from behind its last.
        d_hidden_before = zeros_or_copy(d_last_hidden, cell_before)
        d_cell_before = zeros_or_copy(d_last_cell, cell_before)
        d_gates = reads.new_empty(len(reads), weight.shape[0])
        d_gates[rows:] = 0
        d_inputs = d_cell_before.new_empty(rows, size)
        views = [each.split(ctx.sizes) for each in (d_gates[:rows], d_inputs, *saved)]
        d_tops = d_hidden.split(ctx.sizes) if d_hidden is not None else None
        for number in reversed(range(len(ctx.sizes))):
            d_gate, d_input, g, _, tanh_cell, d_hidden_d_cell = (each[number] for each in views)
            gate, before = ctx.gates.pop(), views[3][number - 1] if number else cell_before
            d_top, d_cell = d_hidden_before[: len(gate)], d_cell_before[: len(gate)]
            if d_tops is not None:
                d_top += d_tops[number]
            work = d_gate if d_gate.dtype == gate.dtype else torch.empty_like(gate)
            stored = g, before[: len(gate)], tanh_cell, d_hidden_d_cell
            cell_backward(d_top, d_cell, gate, stored, work)
            if work is not d_gate:
                d_gate.copy_(work)
            d_read = product.multiply(d_gate)
            d_input.copy_(d_read[:, :size])
            d_top.copy_(d_read[:, size:])
        of_gates, read = d_gates, reads[:, :size]
        if ctx.index is not None:
            of_gates, read = sums_by_index(d_gates[:rows], ctx.index, len(words)), words
            rounded_weight = candidate_times(4, from_input.to(d_gates.dtype, copy=True))
            d_inputs = matrix_product(of_gates, rounded_weight)[: ctx.inputs].to(
                d_cell_before.dtype
            )
        d_from_input, d_from_hidden, d_bias = (
            candidate_times(4, each.to(d_cell_before.dtype))
            for each in (
                matrix_product(of_gates.T, read),
                matrix_product(d_gates.T, reads[:, size:]),
                d_gates.T @ reads.new_ones(len(reads)),
            )
        )
        return (
            *(d_inputs, d_hidden_before, d_cell_before),
            *(d_from_input, d_from_hidden, d_bias, d_bias),
            *(None, None, None),
        )


def cell_forward(gate: Tensor, before: Tensor, stored: Sequence[Tensor], top: Tensor) -> None:
    """The cells of one step, their gates squashed.

    Args:
        gate: [rows, 4 cells]: i, f, σ of twice the candidate before it is squashed, o.
        before: [rows, cells] cell state before.
        stored: four [rows, cells] to fill for the way back: candidate g, cell state, its tanh, and
            the derivative of the hidden state by the cell state.
        top: [rows, cells] to fill: the hidden state.
    """
    g, cell, tanh_cell, d_hidden_d_cell = stored
    i, f, half, o = gate.chunk(4, 1)
    torch.mul(half, 2, out=g).sub_(1)
    torch.mul(f, before, out=cell).addcmul_(i, g)
    torch.mul(cell, 2, out=tanh_cell).sigmoid_().mul_(2).sub_(1)
    torch.mul(o, tanh_cell, out=top)
    tanh_backward(o, tanh_cell, d_hidden_d_cell)


def cell_backward(
    d_top: Tensor, d_cell: Tensor, gate: Tensor, stored: Sequence[Tensor], d_gate: Tensor
) -> None:
    """Gradients of one step's gates, but for the candidate's factor of 4, and of its cells.

    Args:
        d_top: [rows, cells] of the hidden state.
        d_cell: [rows, cells] of the cell state, as far as it comes from later steps; becomes that
            of the cell state before.
        gate: [rows, 4 cells] as in `cell_forward`.
        stored: likewise, but with the cell state before instead of the one after.
        d_gate: [rows, 4 cells] to fill.
    """
    g, before, tanh_cell, d_hidden_d_cell = stored
    i, f, _, _ = gate.chunk(4, 1)
    d_i, d_f, d_half, d_o = d_gate.chunk(4, 1)
    torch.mul(d_top, tanh_cell, out=d_o)
    d_cell.addcmul_(d_top, d_hidden_d_cell)
    torch.mul(d_cell, g, out=d_i)
    torch.mul(d_cell, before, out=d_f)
    torch.mul(d_cell, i, out=d_half)
    d_cell *= f
    sigmoid_backward(d_gate, gate, d_gate)


def joint_weight(one: Tensor, other: Tensor, dtype: torch.dtype) -> Tensor:
    """A copy of two matrices as one of type ``dtype``."""
    both = one.new_empty(len(one), one.shape[1] + other.shape[1], dtype=dtype)
    both[:, : one.shape[1]], both[:, one.shape[1] :] = one, other
    return both


def candidate_times(factor: int, weights: Tensor) -> Tensor:
    """Multiply the candidate's quarter of ``weights`` [4 cells, ...] in place."""
    weights.chunk(4)[2].mul_(factor)
    return weights
