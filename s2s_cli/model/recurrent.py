"""Recurrent layers of every kind of cell over packed sentences."""

from collections.abc import Sequence
from typing import assert_never

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from s2s_cli.model.cells import cell_step, step_weights
from s2s_cli.model.config import Cell
from s2s_cli.model.lstm import Lstm
from s2s_cli.model.precision import full_precision
from s2s_cli.model.sequences import EndedStates, States


class PeepholeLstm(nn.LSTM):
    """An LSTM whose gates also see the cell state, each cell's its own (Graves 2013, eq. 7-11).

    Computed step by step: slower than `Lstm`.
    """

    def __init__(self, inputs: int, cells: int, layers: int, *, dropout: float) -> None:
        super().__init__(inputs, cells, layers, dropout=dropout)
        for layer in range(layers):
            self.register_parameter(f"peephole_l{layer}", nn.Parameter(torch.empty(3, cells)))

    def forward(  # type: ignore[override]
        self, inputs: PackedSequence, states: States | None = None
    ) -> tuple[PackedSequence, States]:
        """Read all time steps, as `Lstm.forward`."""
        sizes, rows = inputs.batch_sizes.tolist(), inputs.data
        if states is None:
            zeros = rows.new_zeros(self.num_layers, sizes[0], self.hidden_size)
            states = zeros, zeros
        elif inputs.sorted_indices is not None:
            states = tuple(each.index_select(1, inputs.sorted_indices) for each in states)
        after = []
        for layer in range(self.num_layers):
            if layer:
                rows = F.dropout(rows, self.dropout, self.training)
            rows, last = self._layer(layer, rows, sizes, tuple(each[layer] for each in states))
            after.append(last)
        ended = tuple(torch.stack(each) for each in zip(*after, strict=True))
        if inputs.unsorted_indices is not None:
            ended = tuple(each.index_select(1, inputs.unsorted_indices) for each in ended)
        return inputs._replace(data=rows), ended

    def _layer(
        self, layer: int, rows: Tensor, sizes: Sequence[int], states: States
    ) -> tuple[Tensor, States]:
        """One layer over rows of which ``sizes[t]`` belong to time step t."""
        weights = step_weights("lstm-peephole", self, layer)
        hidden, ended = [], EndedStates()
        for of_input in F.linear(rows, weights.input, weights.bias).split(sizes):
            states = ended.drop(states, len(of_input))
            sums = of_input + F.linear(states[0], weights.hidden)
            states = cell_step("lstm-peephole", sums, states, weights.peepholes)
            hidden.append(states[0])
        return torch.cat(hidden), ended.put_back(states)


def recurrent_layers(
    cell: Cell, inputs: int, cells: int, layers: int, dropout: float
) -> nn.RNNBase:
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
        case _:
            assert_never(cell)


def read_vectors(
    layers: nn.RNNBase, inputs: PackedSequence, states: States | None = None
) -> tuple[PackedSequence, States]:
    """Read packed vectors; the top hidden states, and the last states in the batch's order.

    An `Lstm` sees to its precision itself. Torch would compute others in two types under autocast:
    they are computed in full precision.
    """
    if isinstance(layers, Lstm):
        return layers(inputs, states)  # type: ignore[no-any-return]
    with full_precision(inputs.data):
        if isinstance(layers, nn.LSTM):
            return layers(inputs, states)  # type: ignore[no-any-return]
        output, hidden = layers(inputs, None if states is None else states[0])
        return output, (hidden,)


def read_words(
    layers: nn.RNNBase, words: PackedSequence, table: nn.Embedding, states: States | None = None
) -> tuple[PackedSequence, States]:
    """Read the vectors that ``words`` have in ``table``."""
    if isinstance(layers, Lstm):
        return layers.read_words(words, table, states)
    return read_vectors(layers, words._replace(data=table(words.data)), states)
