"""One layer of GRU, plain RNN or peephole LSTM over all time steps, with its gradient (§2).

As for the LSTM (`lstm`): the products of what the layer reads are one product over all steps, or
over the distinct words of a batch; a step is one product of the hidden state, with weights that are
laid out once; the gradients of the weights are products over all steps. What is done element by
element uses σ alone, as tanh z = 2 σ(2 z) - 1: torch's own tanh takes several times as long.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from s2s_cli.model.libraries import linear, matrix_product
from s2s_cli.model.packed import (
    rounded_up,
    sigmoid_backward,
    sums_by_index,
    tanh_backward,
    zeros_or_copy,
)
from s2s_cli.model.precision import accumulation_dtype
from s2s_cli.model.products import PrepackedLinear
from s2s_cli.model.sequences import EndedStates, States

Saved = tuple[Tensor, ...]


class Kernel(NamedTuple):
    """The equations of a cell, for one step of [rows].

    Attributes:
        forward: states after, and what ``backward`` needs; of the products of input and of hidden
            state [rows, n · cells] each, biases included, the states before and the peepholes.
        backward: given the gradients of the states after, which it overwrites with those of the
            states before but for the product's share; what was saved; the peepholes and their
            gradient, to which it adds. Returns the gradients of the two products, which may be
            one tensor.
    """

    forward: Callable[[Tensor, Tensor, States, Tensor | None], tuple[States, Saved]]
    backward: Callable[[States, Saved, Tensor | None, Tensor | None], tuple[Tensor, Tensor]]


def quick_tanh(values: Tensor) -> Tensor:
    """tanh, in place."""
    return values.mul_(2).sigmoid_().mul_(2).sub_(1)


def gru_forward(
    of_input: Tensor, of_hidden: Tensor, before: States, _: Tensor | None
) -> tuple[States, Saved]:
    """Cho et al. 2014, with the reset gate behind the product, as cuDNN and torch have it."""
    (hidden,) = before
    both = 2 * hidden.shape[1]
    gates = (of_input[:, :both] + of_hidden[:, :both]).sigmoid_()
    r, z = gates.chunk(2, 1)
    n_hidden = of_hidden[:, both:]
    n = quick_tanh(torch.addcmul(of_input[:, both:], r, n_hidden))
    return (torch.lerp(n, hidden, z),), (gates, n, n_hidden, hidden)


def gru_backward(
    gradients: States, saved: Saved, _: Tensor | None, __: Tensor | None
) -> tuple[Tensor, Tensor]:
    (d_hidden,), (gates, n, n_hidden, before) = gradients, saved
    r, z = gates.chunk(2, 1)
    of_hidden = d_hidden.new_empty(len(d_hidden), 3 * d_hidden.shape[1])
    d_r, d_z, d_n = of_hidden.chunk(3, 1)
    d_after_z = d_hidden * z
    torch.mul(d_hidden, before - n, out=d_z)
    tanh_backward(d_hidden - d_after_z, n, d_n)
    torch.mul(d_n, n_hidden, out=d_r)
    d_gates = of_hidden[:, : gates.shape[1]]
    sigmoid_backward(d_gates, gates, d_gates)
    of_input = of_hidden.clone()
    d_n *= r
    d_hidden.copy_(d_after_z)
    return of_input, of_hidden


def rnn_forward(
    of_input: Tensor, of_hidden: Tensor, before: States, _: Tensor | None
) -> tuple[States, Saved]:
    """Elman 1990."""
    hidden = quick_tanh(of_input + of_hidden)
    return (hidden,), (hidden,)


def rnn_backward(
    gradients: States, saved: Saved, _: Tensor | None, __: Tensor | None
) -> tuple[Tensor, Tensor]:
    (d_hidden,), (hidden,) = gradients, saved
    of_sums = tanh_backward(d_hidden, hidden, torch.empty_like(d_hidden))
    d_hidden.zero_()
    return of_sums, of_sums


def lstm_forward(
    of_input: Tensor, of_hidden: Tensor, before: States, peepholes: Tensor | None
) -> tuple[States, Saved]:
    """Graves 2013, eq. 7-11, with or without peepholes."""
    cell_before = before[1]
    sums = of_input + of_hidden
    i, f, g, o = sums.chunk(4, 1)
    if peepholes is None:
        g.mul_(2)
        sums.sigmoid_()
        g.mul_(2).sub_(1)
        cell = (f * cell_before).addcmul_(i, g)
    else:
        i.addcmul_(peepholes[0], cell_before).sigmoid_()
        f.addcmul_(peepholes[1], cell_before).sigmoid_()
        quick_tanh(g)
        cell = (f * cell_before).addcmul_(i, g)
        o.addcmul_(peepholes[2], cell).sigmoid_()
    tanh_cell = quick_tanh(cell.clone())
    return (o * tanh_cell, cell), (sums, cell_before, cell, tanh_cell)


def lstm_backward(
    gradients: States, saved: Saved, peepholes: Tensor | None, d_peepholes: Tensor | None
) -> tuple[Tensor, Tensor]:
    d_hidden, d_cell = gradients
    gates, cell_before, cell, tanh_cell = saved
    i, f, g, o = gates.chunk(4, 1)
    of_sums = torch.empty_like(gates)
    d_i, d_f, d_g, d_o = of_sums.chunk(4, 1)
    torch.mul(d_hidden, tanh_cell, out=d_o)
    sigmoid_backward(d_o, o, d_o)
    d_cell += tanh_backward(d_hidden * o, tanh_cell, torch.empty_like(tanh_cell))
    if peepholes is not None:
        d_cell.addcmul_(d_o, peepholes[2])
    torch.mul(d_cell, g, out=d_i)
    torch.mul(d_cell, cell_before, out=d_f)
    for gradient, gate in ((d_i, i), (d_f, f)):
        sigmoid_backward(gradient, gate, gradient)
    tanh_backward(d_cell * i, g, d_g)
    d_cell.mul_(f)
    if peepholes is not None and d_peepholes is not None:
        d_cell.addcmul_(d_i, peepholes[0]).addcmul_(d_f, peepholes[1])
        d_peepholes += torch.stack(
            [(d_i * cell_before).sum(0), (d_f * cell_before).sum(0), (d_o * cell).sum(0)]
        )
    d_hidden.zero_()
    return of_sums, of_sums


GRU = Kernel(gru_forward, gru_backward)
RNN = Kernel(rnn_forward, rnn_backward)
LSTM = Kernel(lstm_forward, lstm_backward)


class CellLayer(torch.autograd.Function):
    """One layer: rows [rows, size], states [batch, cells] → rows [rows, cells], last states.

    Where an index says which of a few inputs a row reads, their products are computed once.
    """

    @staticmethod
    def forward(
        ctx: Any,
        kernel: Kernel,
        inputs: Tensor,
        index: Tensor | None,
        sizes: list[int],
        dtype: torch.dtype,
        from_input: Tensor,
        from_hidden: Tensor,
        input_bias: Tensor,
        hidden_bias: Tensor,
        peepholes: Tensor | None,
        *before: Tensor,
    ) -> tuple[Tensor, ...]:
        kept, rows = accumulation_dtype(dtype), sum(sizes)
        read = rounded_up(inputs.to(dtype))
        of_inputs = linear(from_input.to(dtype), input_bias)(read)
        steps = (torch.arange(rows) if index is None else index).split(sizes)
        product = PrepackedLinear(from_hidden.to(dtype), hidden_bias)
        # The hidden state before each step, in the type of products.
        befores = rounded_up(before[0].new_empty(rows, from_hidden.shape[1], dtype=dtype))
        hidden = before[0].new_empty(rows, from_hidden.shape[1])
        states, ended, saved = before, EndedStates(), []
        start = 0
        for size, step in zip(sizes, steps, strict=True):
            states = ended.drop(states, size)
            own = slice(start, start + size)
            befores[own] = states[0]
            of_input = of_inputs[own] if index is None else of_inputs[step]
            of_hidden = product.multiply(befores[own])
            states, stored = kernel.forward(
                of_input.to(kept), of_hidden.to(kept), states, peepholes
            )
            hidden[own] = states[0]
            saved.append(stored)
            start = own.stop
        ctx.kernel, ctx.sizes, ctx.saved, ctx.dtype = kernel, sizes, saved, dtype
        ctx.save_for_backward(read, befores, from_input, from_hidden, peepholes, index, *before)
        ctx.inputs = len(inputs)
        ctx.set_materialize_grads(False)
        return hidden, *ended.put_back(states)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_hidden: Tensor | None, *d_last: Tensor | None) -> tuple[Any, ...]:
        read, befores, from_input, from_hidden, peepholes, index, *before = ctx.saved_tensors
        d_befores = tuple(map(zeros_or_copy, d_last, before))
        product = PrepackedLinear(from_hidden.to(ctx.dtype).T.contiguous())
        gates, rows = len(from_hidden), sum(ctx.sizes)
        of_inputs, of_hiddens = (befores.new_zeros(len(befores), gates) for _ in range(2))
        d_peepholes = None if peepholes is None else torch.zeros_like(peepholes)
        end = rows
        for size in reversed(ctx.sizes):
            own = slice(end - size, end)
            gradients = tuple(each[:size] for each in d_befores)
            if d_hidden is not None:
                gradients[0].add_(d_hidden[own])
            of_inputs[own], of_hiddens[own] = ctx.kernel.backward(
                gradients, ctx.saved.pop(), peepholes, d_peepholes
            )
            gradients[0].add_(product.multiply(of_hiddens[own]))
            end = own.start
        d_read = of_inputs if index is None else sums_by_index(of_inputs[:rows], index, len(read))
        kept = before[0].dtype
        d_from_input, d_from_hidden = (
            matrix_product(one.T, other).to(kept)
            for one, other in ((d_read, read), (of_hiddens, befores))
        )
        d_input_bias, d_hidden_bias = (each.sum(0, dtype=kept) for each in (of_inputs, of_hiddens))
        d_inputs = matrix_product(d_read, from_input.to(ctx.dtype))[: ctx.inputs].to(kept)
        return (
            *(None, d_inputs, None, None, None),
            *(d_from_input, d_from_hidden, d_input_bias, d_hidden_bias, d_peepholes, *d_befores),
        )
