"""The deep LSTM over sentences of different lengths, without padding (Graves 2013; §2)."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.utils.rnn import PackedSequence

from s2s_cli.model.precision import accumulation_dtype, autocast_dtype
from s2s_cli.model.products import PrepackedLinear
from s2s_cli.model.sequences import EndedStates, States

# Rows of a product over a whole batch, or over its distinct words, are filled up to a multiple of
# this: kernels are prepared for each number of rows.
ROWS_MULTIPLE = 64


class Lstm(nn.LSTM):
    """``nn.LSTM`` with the same parameters and results, faster where it runs on a CPU.

    On a GPU it is ``nn.LSTM``, that is cuDNN. On a CPU that one is slow for sentences of unequal
    length, prepares its kernels anew for each shape of a batch, and cannot know that a batch holds
    the same words again and again; `_Layer` computes it there.
    """

    def forward(  # type: ignore[override]
        self, inputs: PackedSequence, states: States | None = None
    ) -> tuple[PackedSequence, States]:
        """Read all time steps.

        Args:
            inputs: packed sequences of [size] each.
            states: hidden and cell state to start from, each [layers, batch, cells], in the order
                of the batch; zeros if None.

        Returns:
            The top layer's hidden state at every step, packed as ``inputs``; the states of all
            layers after each sequence's last step.
        """
        if inputs.data.device.type != "cpu":
            # Under autocast torch would compute in fp16, cell states included.
            with torch.autocast("cuda", enabled=False):
                return super().forward(inputs, states)  # type: ignore[arg-type]
        return self._read(inputs, inputs.data, None, states)

    def read_words(
        self, words: PackedSequence, table: nn.Embedding, states: States | None = None
    ) -> tuple[PackedSequence, States]:
        """Read the vectors that ``words``, packed ids, have in ``table``.

        As `forward` on ``table(words)``; what the first layer makes of a word is computed once
        for all its occurrences in the batch, and so is its share of the gradient.
        """
        if words.data.device.type != "cpu":
            return self(words._replace(data=table(words.data)), states)  # type: ignore[no-any-return]
        distinct, index = words.data.unique(return_inverse=True)
        return self._read(words, table(distinct), index, states)

    def _read(
        self, form: PackedSequence, rows: Tensor, index: Tensor | None, states: States | None
    ) -> tuple[PackedSequence, States]:
        """Read ``rows``, or ``rows[index]``; ``form`` says which is what step of what sequence."""
        if states is not None and form.sorted_indices is not None:
            states = tuple(each.index_select(1, form.sorted_indices) for each in states)
        hidden, after = self._layers(rows, index, form.batch_sizes.tolist(), states)
        if form.unsorted_indices is not None:
            after = tuple(each.index_select(1, form.unsorted_indices) for each in after)
        return form._replace(data=hidden), after

    def _layers(
        self, rows: Tensor, index: Tensor | None, sizes: list[int], states: States | None
    ) -> tuple[Tensor, States]:
        """Run all layers over rows of which ``sizes[t]`` belong to time step t."""
        dtype = autocast_dtype(rows)
        if states is None:
            kept = accumulation_dtype(dtype)
            zeros = rows.new_zeros(self.num_layers, sizes[0], self.hidden_size, dtype=kept)
            states = zeros, zeros
        last = []
        with torch.autocast("cpu", enabled=False):  # the types are chosen by hand
            for layer, weights in enumerate(self.all_weights):
                if layer:
                    rows = F.dropout(rows, self.dropout, self.training)
                rows, *after = _Layer.apply(  # type: ignore[no-untyped-call]
                    rows, *(each[layer] for each in states), *weights, sizes, index, dtype
                )
                index = None
                last.append(after)
        return rows, tuple(torch.stack(each) for each in zip(*last, strict=True))


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
            from_words = PrepackedLinear(candidate_times(2, from_input.to(dtype, copy=True)), bias)
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
            d_inputs = (of_gates @ rounded_weight)[: ctx.inputs].to(d_cell_before.dtype)
        d_from_input, d_from_hidden, d_bias = (
            candidate_times(4, (one.T @ other).to(d_cell_before.dtype))
            for one, other in (
                (of_gates, read),
                (d_gates, reads[:, size:]),
                (d_gates, reads.new_ones(len(reads))),
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


def sums_by_index(rows: Tensor, index: Tensor, size: int) -> Tensor:
    """[size, n]: the sum of all ``rows`` that have one ``index``, in fp32 or better on the way."""
    dtype = accumulation_dtype(rows.dtype)
    result = rows.new_zeros(size, rows.shape[1], dtype=dtype)
    return result.index_add_(0, index, rows.to(dtype)).to(rows.dtype)


def joint_weight(one: Tensor, other: Tensor, dtype: torch.dtype) -> Tensor:
    """A copy of two matrices as one of type ``dtype``."""
    both = one.new_empty(len(one), one.shape[1] + other.shape[1], dtype=dtype)
    both[:, : one.shape[1]], both[:, one.shape[1] :] = one, other
    return both


def rounded_up(rows: Tensor) -> Tensor:
    """``rows`` and as many of zeros as make their number a multiple of `ROWS_MULTIPLE`."""
    return F.pad(rows, (0, 0, 0, -len(rows) % ROWS_MULTIPLE))


def candidate_times(factor: int, weights: Tensor) -> Tensor:
    """Multiply the candidate's quarter of ``weights`` [4 cells, ...] in place."""
    weights.chunk(4)[2].mul_(factor)
    return weights


def sigmoid_backward(gradient: Tensor, output: Tensor, out: Tensor) -> Tensor:
    """``gradient · output · (1 - output)`` in one pass."""
    return torch.ops.aten.sigmoid_backward.grad_input(gradient, output, grad_input=out)  # type: ignore[no-any-return]


def tanh_backward(gradient: Tensor, output: Tensor, out: Tensor) -> Tensor:
    """``gradient · (1 - output²)`` in one pass."""
    return torch.ops.aten.tanh_backward.grad_input(gradient, output, grad_input=out)  # type: ignore[no-any-return]


def zeros_or_copy(gradient: Tensor | None, like: Tensor) -> Tensor:
    return torch.zeros_like(like) if gradient is None else gradient.clone()
