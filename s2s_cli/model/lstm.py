"""The deep LSTM over sentences of different lengths, without padding (Graves 2013; §2)."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.utils.rnn import PackedSequence

from s2s_cli.model.packed import Packed, exact, lowered

State = tuple[Tensor, Tensor]
# Sentences: [length, batch, ...] where all have one length, or packed time step by time step.
Form = TypeVar("Form", Tensor, PackedSequence)


# Rows of a product over a whole batch, or over its distinct words, are filled up to a multiple of
# this: kernels are prepared for each number of rows.
ROWS_MULTIPLE = 64


class Lstm(nn.LSTM):
    """``nn.LSTM`` with the same parameters and results, faster where it runs on a CPU.

    On a GPU it is ``nn.LSTM``, that is cuDNN. On a CPU that one is slow for sentences of unequal
    length, prepares its kernels anew for each shape of a batch, and cannot know that a batch holds
    the same words again and again; `_Layer` computes it there.
    """

    def forward(self, inputs: Form, state: State | None = None) -> tuple[Form, State]:
        """Read all time steps.

        Args:
            inputs: [length, batch, size], or packed sequences of [size] each.
            state: hidden and cell state to start from, each [layers, batch, cells], in the order
                of the batch; zeros if None.

        Returns:
            The top layer's hidden state at every step, in the form of ``inputs``; the states of
            all layers after each sequence's last step.
        """
        if inputs.data.device.type != "cpu":
            # Under autocast torch would compute in fp16, cell states included.
            with torch.autocast("cuda", enabled=False):
                return super().forward(inputs, state)
        rows = inputs.data if isinstance(inputs, PackedSequence) else inputs.flatten(0, 1)
        return self._read(inputs, rows, None, state)

    def read_words(
        self, words: Form, table: nn.Embedding, state: State | None = None
    ) -> tuple[Form, State]:
        """Read the vectors that ``words``, [length, batch] ids or packed ones, have in ``table``.

        As `forward` on ``table(words)``; what the first layer makes of a word is computed once
        for all its occurrences in the batch, and so is its share of the gradient.
        """
        if words.data.device.type != "cpu":
            return self(on_data(table, words), state)  # type: ignore[no-any-return]
        distinct, index = words.data.flatten().unique(return_inverse=True)
        return self._read(words, table(distinct), index, state)

    def _read(
        self, form: Form, rows: Tensor, index: Tensor | None, state: State | None
    ) -> tuple[Form, State]:
        """Read ``rows``, or ``rows[index]``; ``form`` says which is what step of what sequence."""
        if isinstance(form, PackedSequence):
            before = state and self.permute_hidden(state, form.sorted_indices)
            hidden, after = self._layers(rows, index, form.batch_sizes.tolist(), before)
            return form._replace(data=hidden), self.permute_hidden(after, form.unsorted_indices)
        length, batch = form.shape[:2]
        hidden, after = self._layers(rows, index, [batch] * length, state)
        return hidden.unflatten(0, (length, batch)), after

    def _layers(
        self, rows: Tensor, index: Tensor | None, sizes: list[int], state: State | None
    ) -> tuple[Tensor, State]:
        """All layers over rows of which ``sizes[t]`` belong to time step t."""
        low = lowered(rows)
        if state is None:
            zeros = rows.new_zeros(self.num_layers, sizes[0], self.hidden_size, dtype=exact(low))
            state = zeros, zeros
        hidden_after, cell_after = [], []
        with torch.autocast("cpu", enabled=False):  # the types are chosen by hand
            for layer, weights in enumerate(self.all_weights):
                if layer:
                    rows = F.dropout(rows, self.dropout, self.training)
                rows, hidden, cell = _Layer.apply(  # type: ignore[no-untyped-call]
                    rows, state[0][layer], state[1][layer], *weights, sizes, index, low
                )
                index = None
                hidden_after.append(hidden)
                cell_after.append(cell)
        return rows, (torch.stack(hidden_after), torch.stack(cell_after))


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
        low: torch.dtype,
    ) -> tuple[Tensor, Tensor, Tensor]:
        rows, cells = sum(sizes), from_hidden.shape[1]
        bias = candidate_times(2, input_bias + hidden_bias)
        words: Tensor | None = None
        if index is None:
            weight, size = side_by_side(from_input, from_hidden, low), inputs.shape[1]
            product = Packed(candidate_times(2, weight), bias)
        else:
            weight, size = from_hidden.to(low, copy=True), 0
            product = Packed(candidate_times(2, weight))
            words = rounded_up(inputs.to(low))
            from_words = Packed(candidate_times(2, from_input.to(low, copy=True)), bias)
            of_words, step_words = from_words(words), index.split(sizes)
        # What each step reads: x (unless by index), and the hidden state before.
        all_reads = inputs.new_empty(rows + -rows % ROWS_MULTIPLE, size + cells, dtype=low)
        all_reads[rows:] = 0
        reads = all_reads[:rows]
        if index is None:
            reads[:, :size] = inputs
        reads[: sizes[0], size:] = hidden_before
        hidden, *saved = (cell_before.new_empty(rows, cells) for _ in range(5))
        last_hidden, last_cell = torch.empty_like(cell_before), torch.empty_like(cell_before)
        gates, memory = [], cell_before
        going_on = [*reads[:, size:].split(sizes)[1:], reads[:0, size:]]
        views = zip(*(each.split(sizes) for each in (reads, hidden, *saved)), going_on, strict=True)
        for number, (read, top, candidate, cell, squashed, onward, after) in enumerate(views):
            if index is None:
                gate = product(read).to(cell.dtype).sigmoid_()
            else:
                of_step = of_words[step_words[number]]
                gate = product.added_to(of_step, read).to(cell.dtype).sigmoid_()
            cell_forward(gate, memory[: len(gate)], (candidate, cell, squashed, onward), top)
            after.copy_(top[: len(after)])
            if len(after) < len(gate):  # the others end here
                last_hidden[len(after) : len(gate)] = top[len(after) :]
                last_cell[len(after) : len(gate)] = cell[len(after) :]
            gates.append(gate)
            memory = cell
        ctx.sizes, ctx.gates, ctx.index, ctx.inputs = sizes, gates, index, len(inputs)
        ctx.save_for_backward(weight, all_reads, words, from_input, cell_before, *saved)
        ctx.set_materialize_grads(False)
        return hidden, last_hidden, last_cell

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, d_hidden: Tensor | None, d_last_hidden: Tensor | None, d_last_cell: Tensor | None
    ) -> tuple[Any, ...]:
        weight, reads, words, from_input, cell_before, *saved = ctx.saved_tensors
        rows, size = sum(ctx.sizes), reads.shape[1] - cell_before.shape[1]
        # tanh' z = 4 σ'(2 z); with this factor in the weights, all gates have the derivatives of σ.
        product = Packed(candidate_times(2, weight).T)
        # What reaches each sequence's state from the steps after; at first, from behind its last.
        onto_hidden = zeros_or_copy(d_last_hidden, cell_before)
        onto_cell = zeros_or_copy(d_last_cell, cell_before)
        d_gates = reads.new_empty(len(reads), weight.shape[0])
        d_gates[rows:] = 0
        d_inputs = onto_cell.new_empty(rows, size)
        views = [each.split(ctx.sizes) for each in (d_gates[:rows], d_inputs, *saved)]
        d_tops = d_hidden.split(ctx.sizes) if d_hidden is not None else None
        for number in reversed(range(len(ctx.sizes))):
            d_gate, d_input, candidate, _, squashed, onward = (each[number] for each in views)
            gate, before = ctx.gates.pop(), views[3][number - 1] if number else cell_before
            d_top, d_cell = onto_hidden[: len(gate)], onto_cell[: len(gate)]
            if d_tops is not None:
                d_top += d_tops[number]
            work = d_gate if d_gate.dtype == gate.dtype else torch.empty_like(gate)
            stored = candidate, before[: len(gate)], squashed, onward
            cell_backward(d_top, d_cell, gate, stored, work)
            if work is not d_gate:
                d_gate.copy_(work)
            d_read = product(d_gate)
            d_input.copy_(d_read[:, :size])
            d_top.copy_(d_read[:, size:])
        of_gates, read = d_gates, reads[:, :size]
        if ctx.index is not None:
            of_gates, read = sums(d_gates[:rows], ctx.index, len(words)), words
            low_weight = candidate_times(4, from_input.to(d_gates.dtype, copy=True))
            d_inputs = (of_gates @ low_weight)[: ctx.inputs].to(onto_cell.dtype)
        d_from_input, d_from_hidden, d_bias = (
            candidate_times(4, (one.T @ other).to(onto_cell.dtype))
            for one, other in (
                (of_gates, read),
                (d_gates, reads[:, size:]),
                (d_gates, reads.new_ones(len(reads))),
            )
        )
        return (
            *(d_inputs, onto_hidden, onto_cell),
            *(d_from_input, d_from_hidden, d_bias, d_bias),
            *(None, None, None),
        )


def cell_forward(gate: Tensor, before: Tensor, stored: tuple[Tensor, ...], top: Tensor) -> None:
    """The cells of one step, their gates squashed.

    Args:
        gate: [rows, 4 cells]: σ of what enters, of what is kept, of twice the candidate before it
            is squashed, of what leaves.
        before: [rows, cells] cell state before.
        stored: four [rows, cells] to fill for the way back: candidate, cell state, its tanh, and
            the derivative of the hidden state by the cell state.
        top: [rows, cells] to fill: the hidden state.
    """
    candidate, cell, squashed, onward = stored
    enter, forget, half, leave = gate.chunk(4, 1)
    torch.mul(half, 2, out=candidate).sub_(1)
    torch.mul(forget, before, out=cell).addcmul_(enter, candidate)
    torch.mul(cell, 2, out=squashed).sigmoid_().mul_(2).sub_(1)
    torch.mul(leave, squashed, out=top)
    tanh_backward(leave, squashed, onward)


def cell_backward(
    d_top: Tensor, d_cell: Tensor, gate: Tensor, stored: tuple[Tensor, ...], d_gate: Tensor
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
    candidate, before, squashed, onward = stored
    enter, forget, _, _ = gate.chunk(4, 1)
    d_enter, d_forget, d_half, d_leave = d_gate.chunk(4, 1)
    torch.mul(d_top, squashed, out=d_leave)
    d_cell.addcmul_(d_top, onward)
    torch.mul(d_cell, candidate, out=d_enter)
    torch.mul(d_cell, before, out=d_forget)
    torch.mul(d_cell, enter, out=d_half)
    d_cell *= forget
    sigmoid_backward(d_gate, gate, d_gate)


def sums(rows: Tensor, index: Tensor, size: int) -> Tensor:
    """[size, n]: the sum of all ``rows`` that have one ``index``, in fp32 or better on the way."""
    exactly = exact(rows.dtype)
    result = rows.new_zeros(size, rows.shape[1], dtype=exactly)
    return result.index_add_(0, index, rows.to(exactly)).to(rows.dtype)


def on_data(function: Callable[[Tensor], Tensor], form: Form) -> Form:
    """Apply ``function`` to a tensor, or to the data of packed sequences."""
    if isinstance(form, PackedSequence):
        return form._replace(data=function(form.data))
    return function(form)


def side_by_side(one: Tensor, other: Tensor, dtype: torch.dtype) -> Tensor:
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
