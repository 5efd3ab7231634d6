"""Recurrent layers other than the plain LSTM, and one time step of any.

Weights have the names, shapes and order of gates of ``torch.nn``.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from s2s_cli.model.config import Cell
from s2s_cli.model.lstm import Lstm

# Hidden state, and of LSTMs the cell state: [layers, batch, cells] each, or of one layer
# [batch, cells] each.
States = tuple[Tensor, ...]


class Squash(NamedTuple):
    """How gates and candidates are squashed; search has functions of its own."""

    sigmoid: Callable[[Tensor], Tensor] = torch.sigmoid
    tanh: Callable[[Tensor], Tensor] = torch.tanh


def advance(
    cell: Cell,
    of_input: Tensor,
    of_hidden: Tensor,
    before: States,
    peepholes: Tensor | None = None,
    squash: Squash = Squash(),  # noqa: B008 - a constant
) -> States:
    """One time step of one layer.

    Args:
        cell: which equations: Graves 2013 (LSTMs), Cho et al. 2014 (GRU, with the reset gate
            behind the product, as cuDNN and torch have it), Elman 1990 (RNN).
        of_input: [rows, gates · cells] product of what is read, bias added.
        of_hidden: the same of the hidden state before.
        before: states before, [rows, cells] each.
        peepholes: [3, cells] from the cell state to the gates i, f, o.
        squash: the two functions.

    Returns:
        States after.
    """
    sigmoid, tanh = squash
    match cell:
        case "rnn":
            return (tanh(of_input + of_hidden),)
        case "gru":
            reset_in, update_in, new_in = of_input.chunk(3, 1)
            reset_hidden, update_hidden, new_hidden = of_hidden.chunk(3, 1)
            reset = sigmoid(reset_in + reset_hidden)
            update = sigmoid(update_in + update_hidden)
            new = tanh(new_in + reset * new_hidden)
            return (new + update * (before[0] - new),)
        case _:
            enter, forget, candidate, leave = (of_input + of_hidden).chunk(4, 1)
            memory = before[1]
            if peepholes is not None:
                enter, forget = enter + peepholes[0] * memory, forget + peepholes[1] * memory
            memory = sigmoid(forget) * memory + sigmoid(enter) * tanh(candidate)
            if peepholes is not None:
                leave = leave + peepholes[2] * memory
            return sigmoid(leave) * tanh(memory), memory


class PeepholeLstm(nn.LSTM):
    """An LSTM whose gates also see the cell state, each cell's its own (Graves 2013, eq. 7-11).

    Computed step by step: slower than `Lstm`.
    """

    def __init__(self, inputs: int, cells: int, layers: int, *, dropout: float) -> None:
        super().__init__(inputs, cells, layers, dropout=dropout)
        for layer in range(layers):
            self.register_parameter(f"peephole_l{layer}", nn.Parameter(torch.empty(3, cells)))

    def forward(  # type: ignore[override]
        self, inputs: PackedSequence, state: States | None = None
    ) -> tuple[PackedSequence, States]:
        """As `Lstm.forward`, of packed sequences."""
        sizes, rows = inputs.batch_sizes.tolist(), inputs.data
        if state is None:
            zeros = rows.new_zeros(self.num_layers, sizes[0], self.hidden_size)
            state = zeros, zeros
        elif inputs.sorted_indices is not None:
            state = tuple(each.index_select(1, inputs.sorted_indices) for each in state)
        after = []
        for layer in range(self.num_layers):
            if layer:
                rows = F.dropout(rows, self.dropout, self.training)
            rows, last = self._layer(layer, rows, sizes, tuple(each[layer] for each in state))
            after.append(last)
        ended = tuple(torch.stack(each) for each in zip(*after, strict=True))
        if inputs.unsorted_indices is not None:
            ended = tuple(each.index_select(1, inputs.unsorted_indices) for each in ended)
        return inputs._replace(data=rows), ended

    def _layer(
        self, layer: int, rows: Tensor, sizes: Sequence[int], state: States
    ) -> tuple[Tensor, States]:
        """One layer over rows of which ``sizes[t]`` belong to time step t."""
        of_rows, of_hidden, input_bias, hidden_bias = self.all_weights[layer]
        peepholes = getattr(self, f"peephole_l{layer}")
        hidden, ended = [], []
        for of_input in F.linear(rows, of_rows, input_bias).split(sizes):
            count = len(of_input)
            if count < len(state[0]):
                ended.append(tuple(each[count:] for each in state))
                state = tuple(each[:count] for each in state)
            of_state = F.linear(state[0], of_hidden, hidden_bias)
            state = advance("lstm-peephole", of_input, of_state, state, peepholes)
            hidden.append(state[0])
        parts = [state, *reversed(ended)]
        return torch.cat(hidden), tuple(torch.cat(each) for each in zip(*parts, strict=True))


def recurrent(cell: Cell, inputs: int, cells: int, layers: int, dropout: float) -> nn.RNNBase:
    """Layers of a kind; ``dropout`` is between them."""
    dropout = dropout if layers > 1 else 0.0
    match cell:
        case "lstm":
            return Lstm(inputs, cells, layers, dropout=dropout)
        case "lstm-peephole":
            return PeepholeLstm(inputs, cells, layers, dropout=dropout)
        case "gru":
            return nn.GRU(inputs, cells, layers, dropout=dropout)
        case "rnn":
            return nn.RNN(inputs, cells, layers, dropout=dropout)


def read(
    layers: nn.RNNBase, rows: PackedSequence, state: States | None = None
) -> tuple[PackedSequence, States]:
    """Read packed sequences; the top hidden states, and the last states in the batch's order."""
    if isinstance(layers, nn.GRU | nn.RNN):
        output, last = layers(rows, None if state is None else state[0])
        return output, (last,)
    output, after = layers(rows, state)
    return output, tuple(after)


def peepholes_of(layers: nn.RNNBase, layer: int) -> Tensor | None:
    """The peepholes of a layer, if it has any."""
    return getattr(layers, f"peephole_l{layer}", None)
