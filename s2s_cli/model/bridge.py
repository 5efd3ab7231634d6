"""From the encoder's last states to the decoder's first."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2s_cli.model.config import Shape
from s2s_cli.model.recurrent import States

# All sentences' last states have much in common, and along that, steps of Adam's size in each of a
# row's weights add up: at the pace of other layers, first states jump about, and the decoder
# learns to do without them.
PACE = 0.01


class LinearBridge(nn.Module):
    """A linear layer of all last states, so that encoder and decoder may differ in size.

    It starts near a copy, layer by layer and cell by cell, of what encoder and decoder both have,
    of two encoders the sum. The difference to that is learned. Hidden states are squashed, as a
    layer's own are; cell states are not.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        parts = 2 if shape.has_cells else 1
        self.first = (parts, shape.depth, shape.width)
        self.last = (parts, shape.readers, shape.layers, shape.hidden_size)
        self.difference = nn.Linear(torch.Size(self.last).numel(), torch.Size(self.first).numel())

    def forward(self, vector: Tensor) -> States:
        """First states [layers, batch, cells] each, of all last ones side by side: [batch, n]."""
        _, depth, width = self.first
        copied = vector.unflatten(1, self.last).sum(2)[:, :, :depth, :width]
        missing = (0, width - copied.shape[3], 0, depth - copied.shape[2])
        learned = PACE * self.difference(vector).unflatten(1, self.first)
        states = (F.pad(copied, missing) + learned).permute(1, 2, 0, 3)
        hidden, *cell = states.contiguous().unbind()
        return hidden.tanh(), *cell

    @torch.no_grad()
    def whole(self) -> tuple[Tensor, Tensor]:
        """Weight [m, n] and bias [m] of the one linear layer that both parts are together."""
        weight = PACE * self.difference.weight
        cells = weight.view(*self.first, *self.last)
        parts, _, layers, _ = self.last
        for part in range(parts):
            for layer in range(min(self.first[1], layers)):
                for of_reader in cells[part, layer, :, part, :, layer].unbind(1):
                    of_reader.diagonal().add_(1)
        return weight, PACE * self.difference.bias
