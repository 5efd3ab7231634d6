"""The tasks of one update, where one model is spread over several places (§3.5).

Sentences are read in stretches of a few time steps: while a layer reads one, the layer below reads
the next. The places of the output layer take a stretch each time the top layer has read one.
"""

from dataclasses import dataclass

from s2s_cli.model.pipeline import time_chunk
from s2s_cli.model.placement import Placement
from s2s_cli.planning.simulation import Cost, UpdateTask
from s2s_cli.training.memory import BYTES

BETWEEN_LAYERS = "rows between layers"
TO_OUTPUT = "rows to the output layer"
FROM_OUTPUT = "gradients from it"
NORMALISERS = "normalisers"
NORMS = "norms"
# Those of a slice of the output layer: its largest logit, its sum of exponentials, and the logit at
# the word to predict.
STATISTICS_PER_ROW = 3


@dataclass(frozen=True)
class BatchShape:
    """A batch whose sentences have one length.

    Attributes:
        pairs: sentence pairs.
        source: time steps of the encoder.
        target: time steps of the decoder, `EOS` counted.
    """

    pairs: int
    source: int
    target: int

    @property
    def words(self) -> int:
        """Words of both languages, `EOS` not counted."""
        return self.pairs * (self.source + self.target - 1)


@dataclass(frozen=True)
class Costs:
    """Costs of the tasks of a full stretch; those of a shorter one take their share.

    Attributes:
        forward: of each layer.
        backward: of each layer.
        logits: of a slice of the output layer: logits, the largest and the sum of exponentials.
        to_rows: of a slice: its part of the gradient of the hidden states.
        to_weights: of a slice: the gradient of its weights.
        rows: a copy of [rows, cells] numbers.
        numbers: a copy of `STATISTICS_PER_ROW` numbers a row.
        step: of each place: norm and step of its parameters.
    """

    forward: tuple[Cost, ...]
    backward: tuple[Cost, ...]
    logits: Cost
    to_rows: Cost
    to_weights: Cost
    rows: Cost
    numbers: Cost
    step: tuple[Cost, ...]


def update_tasks(
    placement: Placement,
    cells: int,
    batch: BatchShape,
    costs: Costs,
    *,
    stretch: int = 0,
    weights_last: bool | None = None,
    low_bytes: int = BYTES,
) -> list[UpdateTask]:
    """The tasks of an update in the order of issue.

    Rows to the output layer and back take ``low_bytes`` a number, all else fp32. Looking words up,
    and the batch's way to the devices, are not tasks. ``weights_last``: the gradient of
    the output layer's weights comes after all others; as in training if None. So is ``stretch``,
    time steps that are read together, if 0.
    """
    stretch = stretch or time_chunk(placement.devices[0].type)
    last = placement.keeps if weights_last is None else weights_last
    update = _Update(placement, cells, batch, costs, stretch, last, low_bytes)
    update.forward("encoder", batch.source)
    update.forward("decoder", batch.target)
    update.turn()
    update.backward("decoder", batch.target)
    update.backward("encoder", batch.source)
    update.step()
    return update.tasks


def stretch_lengths(steps: int, stretch: int) -> list[int]:
    """The time steps of each stretch, all but the last of one length."""
    return [min(stretch, steps - start) for start in range(0, steps, stretch)]


class _Update:
    """Tasks as they are issued; every method that issues some returns what to wait for."""

    def __init__(
        self,
        placement: Placement,
        cells: int,
        batch: BatchShape,
        costs: Costs,
        stretch: int,
        weights_last: bool,
        low_bytes: int,
    ) -> None:
        self.places, self.layers = len(placement.devices), placement.layers
        self.slices = [place for place, _ in placement.sliced()]
        self.batch, self.costs, self.stretch = batch, costs, stretch
        self.weights_last = weights_last
        # Bytes of a row of hidden states between layers, and to the output layer.
        self.wide, self.low = cells * BYTES, cells * low_bytes
        self.tasks: list[UpdateTask] = []
        # The latest task of each layer; of each stretch and slice the gradient of its rows, and
        # of each stretch all of them where the top layer is.
        self.latest: list[list[int]] = [[] for _ in self.layers]
        self.gradients: dict[int, list[int]] = {}
        self.returned: dict[int, list[int]] = {}

    def add(
        self,
        kind: str,
        at: tuple[int, int],
        places: tuple[int, ...],
        cost: Cost,
        after: list[int],
        size: int = 0,
    ) -> int:
        self.tasks.append(UpdateTask(kind, at, places, cost, tuple(after), size))
        return len(self.tasks) - 1

    def send(
        self, kind: str, at: tuple[int, int], way: tuple[int, int], steps: int, row: int, made: int
    ) -> int:
        """Copy ``row`` bytes a row of ``steps`` time steps, if that is to another place."""
        if way[0] == way[1]:
            return made
        if kind == NORMALISERS:
            cost = self.costs.numbers.share(row / BYTES / STATISTICS_PER_ROW)
        else:
            cost = self.costs.rows.share(row / self.wide)
        size = row * steps * self.batch.pairs
        return self.add(kind, at, way, cost.share(steps / self.stretch), [made], size)

    def forward(self, kind: str, steps: int) -> None:
        """Tasks of encoder or decoder, the output layer after each stretch of the latter."""
        for number, length in enumerate(stretch_lengths(steps, self.stretch)):
            below: list[int] = []
            for layer, place in enumerate(self.layers):
                if layer:
                    at, way = (layer, number), (self.layers[layer - 1], place)
                    below = [self.send(BETWEEN_LAYERS, at, way, length, self.wide, below[0])]
                cost = self.costs.forward[layer].share(length / self.stretch)
                after = below + self.latest[layer]
                below = [self.add(kind, (layer, number), (place,), cost, after)]
                self.latest[layer] = below
            if kind == "decoder":
                self.output(number, length, below[0])

    def output(self, number: int, length: int, top: int) -> None:
        """Tasks of all slices for the rows of a stretch."""
        costs, part, first, sums = self.costs, length / self.stretch, self.slices[0], []
        for place in self.slices:
            at, way = (place, number), (self.layers[-1], place)
            rows = self.send(TO_OUTPUT, at, way, length, self.low, top)
            logits = self.add("logits", at, (place,), costs.logits.share(part), [rows])
            sums.append((at, logits))
        row = STATISTICS_PER_ROW * BYTES
        arrived = [
            self.send(NORMALISERS, at, (at[0], first), length, row, made) for at, made in sums
        ]
        combined = self.add("combine", (first, number), (first,), Cost(0.0), arrived)
        # All copies before any product: a copy from the first place would wait for its products.
        normalised = [
            self.send(NORMALISERS, at, (first, at[0]), length, BYTES, combined) for at, _ in sums
        ]
        self.gradients[number] = [
            self.add("to rows", at, at[:1], costs.to_rows.share(part), [arrival])
            for (at, _), arrival in zip(sums, normalised, strict=True)
        ]
        if not self.weights_last:
            self.weights(number, length)

    def weights(self, number: int, length: int) -> None:
        """The gradient of each slice's weights from the rows of a stretch."""
        cost = self.costs.to_weights.share(length / self.stretch)
        for place, gradient in zip(self.slices, self.gradients[number], strict=True):
            self.add("to weights", (place, number), (place,), cost, [gradient])

    def send_back(self, number: int, length: int) -> None:
        """The gradients of a stretch's rows to the top layer's place."""
        self.returned[number] = [
            self.send(
                FROM_OUTPUT, (place, number), (place, self.layers[-1]), length, self.low, made
            )
            for place, made in zip(self.slices, self.gradients[number], strict=True)
        ]

    def turn(self) -> None:
        """The slices' tasks between the passes."""
        if not self.weights_last:
            return
        lengths = list(enumerate(stretch_lengths(self.batch.target, self.stretch)))
        for number, length in reversed(lengths):
            self.send_back(number, length)
        for number, length in lengths:
            self.weights(number, length)

    def backward(self, kind: str, steps: int) -> None:
        """Tasks of decoder or encoder, last stretch first, top layer first."""
        for number, length in reversed(list(enumerate(stretch_lengths(steps, self.stretch)))):
            above: list[int] = []
            if kind == "decoder":
                if number not in self.returned:
                    self.send_back(number, length)
                above = self.returned[number]
            for layer, place in reversed(list(enumerate(self.layers))):
                at = layer, number
                cost = self.costs.backward[layer].share(length / self.stretch)
                after = above + self.latest[layer]
                above = [self.add(f"{kind} backward", at, (place,), cost, after)]
                self.latest[layer] = above
                if layer:
                    way = place, self.layers[layer - 1]
                    above = [self.send(BETWEEN_LAYERS, at, way, length, self.wide, above[0])]

    def step(self) -> None:
        """Have each place step its parameters, when the norms of all have met on the first."""
        norms = [
            self.add(NORMS, (place, 0), (place, 0), self.costs.numbers, [], BYTES)
            for place in range(1, self.places)
        ]
        for place in range(self.places):
            self.add("step", (place, 0), (place,), self.costs.step[place], norms)
