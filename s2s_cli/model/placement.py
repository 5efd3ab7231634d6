"""Placement of one model's layers and output words over several devices (§3.5)."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch

from s2s_cli.model.config import Shape
from s2s_cli.model.work import lstm_flops, softmax_flops


@dataclass(frozen=True)
class Placement:
    """A device for every layer, and the rows of the output layer that each other device has.

    A place is a position in ``devices``; a device that stands there several times is several
    places, so that eight can be tried where there is one ("virtual" devices).

    Attributes:
        devices: the device of each place.
        layers: the place of each layer, encoder's and decoder's alike: they never work at one
            time, since one starts from the state with which the other ends. Never falling.
        slices: the first row of the output layer of each place after the layers', and at the end
            the number of all rows.
    """

    devices: tuple[torch.device, ...]
    layers: tuple[int, ...]
    slices: tuple[int, ...]

    @classmethod
    def of(cls, shape: Shape, devices: tuple[torch.device, ...]) -> "Placement":
        """Spread a model over two or more devices so that the busiest has least to do.

        Among equals, the output layer gets more. For the paper's model and 8 devices: a layer
        each on four, 20,000 words each on the others.
        """
        count = len(devices)
        splits = range(1, min(shape.layers, count - 1) + 1)
        split = min(splits, key=lambda number: busiest(shape, number, count - number))
        layers = tuple(layer * split // shape.layers for layer in range(shape.layers))
        parts, words = min(count - split, shape.target_vocabulary), shape.target_vocabulary
        slices = tuple(words * part // parts for part in range(parts + 1))
        return cls(devices[: split + parts], layers, slices)

    @property
    def first_slice(self) -> int:
        """The place of the output layer's first rows."""
        return self.layers[-1] + 1

    @property
    def keeps(self) -> bool:
        """True where the output layer keeps its probabilities of every row for a while.

        Its devices then send what the layers wait for first, and compute the gradient of their
        weights while those go back. With one slice they would be the probabilities of all words.
        """
        return len(self.slices) > 2

    def sliced(self) -> Iterator[tuple[int, slice]]:
        """Each place that has rows of the output layer, and which."""
        for place, (start, stop) in enumerate(pairwise(self.slices), self.first_slice):
            yield place, slice(start, stop)

    def what(self, place: int) -> str:
        """Describe what a place has; nothing for one beyond the last."""
        parts = ["embeddings"] if place == 0 else []
        layers = [layer for layer, where in enumerate(self.layers, 1) if where == place]
        if layers:
            named = f"layers {layers[0]}-{layers[-1]}" if len(layers) > 1 else f"layer {layers[0]}"
            parts.append(f"{named} of both LSTMs")
        for where, words in self.sliced():
            if where == place:
                parts.append(f"output layer, words {words.start:,}-{words.stop - 1:,}")
        return ", ".join(parts)


def busiest(shape: Shape, lstm_places: int, softmax_places: int) -> int:
    """Operations of the busiest place for a word of each language."""
    most_layers = -(-shape.layers // lstm_places)
    a_layer = lstm_flops(shape, 2) // shape.layers
    return max(most_layers * a_layer, softmax_flops(shape, 1) // softmax_places)
