"""From the encoder's last states to the decoder's first."""

from torch import Tensor, nn

from s2s_cli.model.config import Shape
from s2s_cli.model.recurrent import States


class LinearBridge(nn.Module):
    """A linear layer of all last states, so that encoder and decoder may differ in size.

    Hidden states are squashed, as a layer's own are; cell states are not.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.depth, self.width = shape.depth, shape.width
        parts = 2 if shape.has_cells else 1
        states = parts * shape.readers * shape.layers * shape.hidden_size
        self.linear = nn.Linear(states, parts * self.depth * self.width)

    def forward(self, vector: Tensor) -> States:
        """First states [layers, batch, cells] each, of all last ones side by side: [batch, n]."""
        of_parts = self.linear(vector).split(self.depth * self.width, 1)
        hidden, *cell = (
            part.unflatten(1, (self.depth, self.width)).transpose(0, 1).contiguous()
            for part in of_parts
        )
        return hidden.tanh(), *cell
