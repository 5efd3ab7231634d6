"""From the encoder's last states to the decoder's first, where these are no copy.

A linear layer of all last states: encoder and decoder may differ in size. Hidden states are
squashed, as a layer's own are; cell states are not.

Learned at the pace of the other layers, it makes the decoder do without these states for long,
wherever it starts from: all sentences' last states have much in common, and along that, Adam's
steps in a row's weights probably add up, so first states jump about. With attention, this is good:
the decoder learns to look at the source sooner, and ends better. Without, the states are all it
has.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2s_cli.model.config import Shape
from s2s_cli.model.recurrent import States

PACE = 0.01  # of what `NearCopy` learns, to other layers


class LinearBridge(nn.Module):
    """For decoders with attention: a layer as any other."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.linear, self.first, _ = layer_between(shape)

    def forward(self, vector: Tensor) -> States:
        """First states [layers, batch, cells] each, of all last ones side by side: [batch, n]."""
        return squashed(self.linear(vector).unflatten(1, self.first))

    def whole(self) -> tuple[Tensor, Tensor]:
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
        """As `LinearBridge.forward`."""
        width = self.first[-1]
        copied = vector.unflatten(1, self.last).sum(2)[:, :, self.given, :width]
        learned = PACE * self.difference(vector).unflatten(1, self.first)
        return squashed(F.pad(copied, (0, width - copied.shape[-1])) + learned)

    @torch.no_grad()
    def whole(self) -> tuple[Tensor, Tensor]:
        """Weight [m, n] and bias [m] of the one linear layer that both parts are together."""
        weight = PACE * self.difference.weight
        cells = weight.view(*self.first, *self.last)
        for part in range(self.first[0]):
            for layer, given in enumerate(self.given):
                for of_reader in cells[part, layer, :, part, :, given].unbind(1):
                    of_reader.diagonal().add_(1)
        return weight, PACE * self.difference.bias


def layer_between(shape: Shape) -> tuple[nn.Linear, tuple[int, ...], tuple[int, ...]]:
    """A layer with the numbers that the decoder's first and the encoder's last states have."""
    parts = 2 if shape.has_cells else 1
    first = (parts, shape.depth, shape.width)
    last = (parts, shape.readers, shape.layers, shape.hidden_size)
    return nn.Linear(torch.Size(last).numel(), torch.Size(first).numel()), first, last


def squashed(states: Tensor) -> States:
    """First states, of [batch, hidden and cell, layers, cells]."""
    hidden, *cell = states.permute(1, 2, 0, 3).contiguous().unbind()
    return hidden.tanh(), *cell
