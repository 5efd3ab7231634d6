"""Bridges: from the encoder's last states to the decoder's first.

The paper's is a copy. A linear layer of all last states lets encoder and decoder differ in size:
hidden states are squashed, as a layer's own are; cell states are not. The third one starts from
zeros, and leaves it to the sentence vector to tell the decoder about the source.

Learned at the pace of the other layers, a linear bridge makes the decoder do without these states
for long, wherever it starts from: all sentences' last states have much in common, and along that,
Adam's steps in a row's weights probably add up, so first states jump about. With attention, this is
good: the decoder learns to look at the source sooner, and ends better. Without, the states are all
it has.
"""

from collections.abc import Iterable, Sequence
from typing import assert_never

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2s_cli.model.config import Shape
from s2s_cli.model.precision import full_precision
from s2s_cli.model.sequences import States

PACE = 0.01  # of what `NearCopy` learns, to other layers


class LinearBridge(nn.Module):
    """For decoders with attention: a layer as any other."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.linear, self.first, _ = layer_between(shape)

    def forward(self, vector: Tensor) -> States:
        """First states [layers, batch, cells] each, of all last ones side by side: [batch, n]."""
        return squashed(self.linear(vector).unflatten(1, self.first))

    def affine(self) -> tuple[Tensor, Tensor]:
        """Weight [m, n] and bias [m] of the layer."""
        return self.linear.weight.detach(), self.linear.bias.detach()


class NearCopy(nn.Module):
    """For decoders without attention: a copy, and a difference to it that is learned slowly.

    Cell by cell as far as both have them, each layer of the decoder is given the encoder's, counted
    from the top; those for which none is left are given the lowest. Of two encoders, it is the sum.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.difference, self.first, self.last = layer_between(shape)
        self.given = [max(0, shape.layers - shape.depth + layer) for layer in range(shape.depth)]

    def forward(self, vector: Tensor) -> States:
        """First states, as from `LinearBridge.forward`."""
        width = self.first[-1]
        copied = vector.unflatten(1, self.last).sum(2)[:, :, self.given, :width]
        learned = PACE * self.difference(vector).unflatten(1, self.first)
        return squashed(F.pad(copied, (0, width - copied.shape[-1])) + learned)

    @torch.no_grad()
    def affine(self) -> tuple[Tensor, Tensor]:
        """Weight [m, n] and bias [m] of the one linear layer that both parts are together."""
        weight = PACE * self.difference.weight
        cells = weight.view(*self.first, *self.last)
        for part in range(self.first[0]):
            for layer, given in enumerate(self.given):
                for of_direction in cells[part, layer, :, part, :, given].unbind(1):
                    of_direction.diagonal().add_(1)
        return weight, PACE * self.difference.bias


def make_bridge(shape: Shape) -> LinearBridge | NearCopy | None:
    """The layers of the bridge that ``shape`` has, if it has any."""
    match shape.bridge:
        case "copy" | "concat":
            return None
        case "linear":
            return NearCopy(shape) if shape.attention == "none" else LinearBridge(shape)
        case _:
            assert_never(shape.bridge)


def first_states(
    shape: Shape, bridge: LinearBridge | NearCopy | None, last: Sequence[States]
) -> States:
    """The decoder's first states, given the last ones of each direction of the encoder.

    All are [layers, batch, cells] each.
    """
    if bridge is not None:
        with full_precision(last[0][0]):
            states: States = bridge(side_by_side(last))
        return states
    match shape.bridge:
        case "copy" | "linear":
            return last[0]
        case "concat":
            zeros = last[0][0].new_zeros(shape.depth, last[0][0].shape[1], shape.width)
            return (zeros,) * len(last[0])
        case _:
            assert_never(shape.bridge)


def side_by_side(states: Sequence[Sequence[Iterable[Tensor]]]) -> Tensor:
    """Hidden states of all layers, direction by direction, then the cell states: [batch, n].

    ``states`` of each direction are those of all layers, [batch, cells] each.
    """
    kinds = zip(*states, strict=True)
    return torch.cat([layer for kind in kinds for direction in kind for layer in direction], 1)


def layer_between(shape: Shape) -> tuple[nn.Linear, tuple[int, ...], tuple[int, ...]]:
    """A layer with the numbers that the decoder's first and the encoder's last states have."""
    parts = len(shape.states)
    first = (parts, shape.depth, shape.width)
    last = (parts, shape.directions, shape.layers, shape.hidden_size)
    return nn.Linear(torch.Size(last).numel(), torch.Size(first).numel()), first, last


def squashed(states: Tensor) -> States:
    """First states, of [batch, hidden and cell, layers, cells]."""
    hidden, *cell = states.permute(1, 2, 0, 3).contiguous().unbind()
    return hidden.tanh(), *cell
