"""One time step of every kind of cell, written once: for search, and for training step by step.

Weights have the names, shapes and order of gates of ``torch.nn``; `step_weights` lays them out so
that what a step needs is a single sum, of one product with what a layer reads and one with its
hidden state. Of the LSTM, `lstm` has a second form, for training over all time steps at once: it
keeps what its own gradient needs, and squashes in place. Its numbers differ in the last bits.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, assert_never

import torch
from torch import Tensor, nn

from s2s_cli.model.config import Cell, cell_kind
from s2s_cli.model.sequences import States


class Activation(NamedTuple):
    """Activation of gates: by the logistic function alone, as tanh z = 2 σ(2 z) - 1.

    Attributes:
        sigmoid: σ(z), given ``factor`` · z, which it may overwrite.
        factor: of all weights; the weights of what tanh squashes have twice as much.
    """

    sigmoid: Callable[[Tensor], Tensor]
    factor: float


TORCH = Activation(torch.sigmoid, 1.0)


def sigmoid_of_negated(values: Tensor) -> Tensor:
    """σ(x), given -x, which is overwritten."""
    return values.exp_().add_(1).reciprocal_()


def exp_tanh(values: Tensor) -> Tensor:
    """tanh(x) of exponentials and arithmetic alone."""
    return sigmoid_of_negated(values * -2).mul_(2).sub_(1)


# For inference: results do not depend on the place in a tensor.
EXPONENTIALS = Activation(sigmoid_of_negated, -1.0)


class StepWeights(NamedTuple):
    """Weights of one layer; their products, added up, are the sums that `cell_step` takes.

    Attributes:
        input: [n · cells, size] for what the layer reads.
        hidden: [n · cells, cells] for its hidden state.
        bias: [n · cells].
        peepholes: [3, cells] from the cell state to the gates i, f, o, of LSTMs that have them.
    """

    input: Tensor
    hidden: Tensor
    bias: Tensor
    peepholes: Tensor | None


def step_weights(
    cell: Cell, layers: nn.RNNBase, layer: int, activation: Activation = TORCH
) -> StepWeights:
    """The weights of layer number ``layer``, scaled for ``activation``; n is the number of gates.

    A GRU multiplies one product of its candidate by the reset gate before it adds the other, so
    both are in its sums: r, z, n of the input, n of the hidden state.
    """
    factors = [activation.factor * (2 if gate in "gn" else 1) for gate in cell_kind(cell).gates]
    scaled = [scale_gates(each, factors) for each in layers.all_weights[layer]]
    match cell:
        case "gru":
            of_input, of_hidden, input_bias, hidden_bias = (
                apart(each, part) for each, part in zip(scaled, (2, 3, 2, 3), strict=True)
            )
        case "lstm" | "lstm-peephole" | "rnn":
            of_input, of_hidden, input_bias, hidden_bias = scaled
        case _:
            assert_never(cell)
    peepholes = peepholes_of(layers, layer)
    if peepholes is not None:
        peepholes = peepholes * activation.factor
    return StepWeights(of_input, of_hidden, input_bias + hidden_bias, peepholes)


def scale_gates(weights: Tensor, factors: Sequence[float]) -> Tensor:
    """[gates · cells, ...] of which each gate has a factor of its own."""
    gates = weights.chunk(len(factors))
    return torch.cat([gate * factor for gate, factor in zip(gates, factors, strict=True)])


def apart(weights: Tensor, part: int) -> Tensor:
    """[3 · cells, ...] of a GRU as [4 · cells, ...]: the candidate's as ``part``, beside zeros."""
    r, z, n = weights.chunk(3)
    parts = [r, z, torch.zeros_like(n), torch.zeros_like(n)]
    parts[part] = n
    return torch.cat(parts)


def cell_step(
    cell: Cell,
    sums: Tensor,
    before: States,
    peepholes: Tensor | None = None,
    activation: Activation = TORCH,
) -> States:
    """One time step of one layer.

    Args:
        cell: which equations: Graves 2013 (LSTMs), Cho et al. 2014 (GRU, with the reset gate
            behind the product, as cuDNN and torch have it), Elman 1990 (RNN).
        sums: [rows, n · cells] as `StepWeights` make them.
        before: states before, [rows, cells] each.
        peepholes: of `StepWeights`.
        activation: for which the weights were scaled.

    Returns:
        States after.
    """
    match cell:
        case "lstm" | "lstm-peephole":
            return lstm_step(sums, before[1], peepholes, activation)
        case "gru":
            return (gru_step(sums, before[0], activation),)
        case "rnn":
            return (activation.sigmoid(sums).mul(2).sub_(1),)
        case _:
            assert_never(cell)


def lstm_step(
    sums: Tensor, cell: Tensor, peepholes: Tensor | None, activation: Activation
) -> States:
    """Hidden and cell state after a step, given the cell state before."""
    sigmoid, factor = activation
    if peepholes is None:
        i, f, g, o = sigmoid(sums).chunk(4, 1)
    else:
        i, f, g, o = sums.chunk(4, 1)
        i, f = sigmoid(i + peepholes[0] * cell), sigmoid(f + peepholes[1] * cell)
        g = sigmoid(g)
    # i · tanh = i · (2 g - 1), and likewise below.
    cell = (f * cell).addcmul_(i, g, value=2).sub_(i)
    if peepholes is not None:
        o = sigmoid(o + peepholes[2] * cell)
    half = sigmoid(cell * (2 * factor))
    return (half * o).mul_(2).sub_(o), cell


def gru_step(sums: Tensor, hidden: Tensor, activation: Activation) -> Tensor:
    """The hidden state after a step, given the one before."""
    gates, n_input, n_hidden = sums.split([2 * hidden.shape[1], *[hidden.shape[1]] * 2], 1)
    r, z = activation.sigmoid(gates).chunk(2, 1)
    n = activation.sigmoid(n_input + r * n_hidden).mul(2).sub_(1)
    return n + z * (hidden - n)


def peepholes_of(layers: nn.RNNBase, layer: int) -> Tensor | None:
    """The peepholes of a layer, if it has any."""
    return getattr(layers, f"peephole_l{layer}", None)
