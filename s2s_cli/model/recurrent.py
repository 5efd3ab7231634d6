"""Recurrent layers of every kind of cell over packed sentences."""

from typing import assert_never

import torch
from torch import Tensor, nn

from s2s_cli.model.cell_layer import GRU, LSTM, RNN, CellLayer, Kernel
from s2s_cli.model.cells import peepholes_of
from s2s_cli.model.config import Cell
from s2s_cli.model.lstm import Lstm
from s2s_cli.model.packed import LayerInput, PackedLayers
from s2s_cli.model.sequences import States


class CellLayers(PackedLayers):
    """Layers whose cells are a `Kernel`."""

    kernel: Kernel

    def read_layer(self, layer: int, read: LayerInput, before: States) -> tuple[Tensor, States]:
        weights, peepholes = self.all_weights[layer], self.peepholes(layer)
        hidden, *after = CellLayer.apply(  # type: ignore[no-untyped-call]
            self.kernel, *read, *weights, peepholes, *before
        )
        return hidden, tuple(after)

    def peepholes(self, layer: int) -> Tensor | None:
        """[3, cells] from the cell state to the gates i, f, o of a layer, if it has them."""
        return None


class PeepholeLstm(CellLayers, nn.LSTM):  # type: ignore[misc]
    """An LSTM whose gates also see the cell state, each cell's its own (Graves 2013, eq. 7-11)."""

    kernel, kinds, in_cudnn = LSTM, 2, False

    def __init__(self, inputs: int, cells: int, layers: int, *, dropout: float) -> None:
        super().__init__(inputs, cells, layers, dropout=dropout)
        for layer in range(layers):
            self.register_parameter(f"peephole_l{layer}", nn.Parameter(torch.empty(3, cells)))

    def peepholes(self, layer: int) -> Tensor | None:
        return peepholes_of(self, layer)


class Gru(CellLayers, nn.GRU):  # type: ignore[misc]
    """``nn.GRU`` with the same parameters and results."""

    kernel, kinds = GRU, 1


class Rnn(CellLayers, nn.RNN):  # type: ignore[misc]
    """``nn.RNN`` with the same parameters and results."""

    kernel, kinds = RNN, 1


def recurrent_layers(
    cell: Cell, inputs: int, cells: int, layers: int, dropout: float
) -> PackedLayers:
    """Layers of a kind; ``dropout`` is between them."""
    dropout = dropout if layers > 1 else 0.0
    match cell:
        case "lstm":
            return Lstm(inputs, cells, layers, dropout=dropout)
        case "lstm-peephole":
            return PeepholeLstm(inputs, cells, layers, dropout=dropout)
        case "gru":
            return Gru(inputs, cells, layers, dropout=dropout)
        case "rnn":
            return Rnn(inputs, cells, layers, dropout=dropout)
        case _:
            assert_never(cell)


def cell_kernel(cell: Cell) -> Kernel:
    """The equations of one step of a cell."""
    match cell:
        case "lstm" | "lstm-peephole":
            return LSTM
        case "gru":
            return GRU
        case "rnn":
            return RNN
        case _:
            assert_never(cell)
