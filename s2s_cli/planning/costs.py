"""Costs of the parts of an update on a device, each measured alone at the model's size."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from s2s_cli.data.batches import Batch, make_batch
from s2s_cli.data.corpus import Side, Split
from s2s_cli.model.config import Shape, TrainingPrecision
from s2s_cli.model.lstm import Lstm
from s2s_cli.model.pipeline import time_chunk
from s2s_cli.model.placement import Placement
from s2s_cli.model.precision import products_in
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.model.softmax import block_rows, negative_log_likelihood
from s2s_cli.model.work import fastest, synchronise
from s2s_cli.planning.simulation import Cost
from s2s_cli.planning.tasks import STATISTICS_PER_ROW, BatchShape, Costs
from s2s_cli.training import memory
from s2s_cli.training.config import TrainingConfig
from s2s_cli.training.optimisers import Optimisers
from s2s_cli.training.update import backward, gradient_norm, step

# Where others work on the machine, too, a single run may be far off.
MEASUREMENTS = 3
# Time steps from which whole sentences are reckoned: enough that a call's own cost hardly counts.
MEASURED_STEPS = 16


# A first part of some work, and the whole.
Runs = tuple[Callable[[], Tensor], Callable[[], Tensor]]


@dataclass(frozen=True)
class Meter:
    """Measures on one device. A method allocates what it measures, and nothing stays.

    Of several runs the fastest counts.
    """

    shape: Shape
    config: TrainingConfig
    device: torch.device

    def layers(self, steps: int, pairs: int) -> list[tuple[Cost, Cost]]:
        """Forward and backward of each layer over ``steps`` time steps of ``pairs`` sentences."""
        sizes = self.input_sizes()
        measured = {size: self.parts(self.layer(size, steps, pairs)) for size in set(sizes)}
        return [measured[size] for size in sizes]

    def layers_seconds(self, steps: int, pairs: int) -> float:
        """Seconds of all layers, forward and backward."""
        sizes = self.input_sizes()
        measured = {size: self.cost(self.layer(size, steps, pairs)[1]) for size in set(sizes)}
        return sum(measured[size].seconds for size in sizes)

    def input_sizes(self) -> list[int]:
        """The size of the vectors that each layer reads."""
        return [self.shape.embedding_size, *[self.shape.hidden_size] * (self.shape.layers - 1)]

    def layer(self, size: int, steps: int, pairs: int) -> Runs:
        """Forward, and backward as well, of one layer that reads vectors of ``size``."""
        cells = self.shape.hidden_size
        layer = Lstm(size, cells, device=self.device)
        rows = self.random(steps * pairs, size).requires_grad_()
        inputs = PackedSequence(rows, torch.full((steps,), pairs))
        states = [self.random(1, pairs, cells) for _ in range(4)]
        before = tuple(each.requires_grad_() for each in states[:2])
        gradients = (self.random(steps * pairs, cells), *states[2:])

        def forward() -> Tensor:
            with self.products():
                hidden: Tensor = layer(inputs, before)[0].data
            return hidden

        def both() -> Tensor:
            with self.products():
                hidden, after = layer(inputs, before)
            torch.autograd.backward((hidden.data, *after), gradients)
            return rows

        return forward, both

    def output(self, words: int, rows: int) -> Runs:
        """Logits and loss, and all gradients as well, of an output layer of ``words``."""
        cells = self.shape.hidden_size
        hidden = self.random(rows, cells).requires_grad_()
        weight, bias = self.random(words, cells).requires_grad_(), self.random(words)
        ids = torch.randint(words, (rows,), device=self.device)

        def both() -> Tensor:
            with self.products():
                return negative_log_likelihood(hidden, weight, bias, ids)

        return torch.no_grad()(both), both

    def output_seconds(self, words: int, all_rows: Sequence[int]) -> list[float]:
        """Seconds of logits and gradients of so many rows; more than two blocks are not measured.

        Each block beyond takes what the second took.
        """
        tried = [blocks * block_rows(words, self.device.type) for blocks in (1, 2)]
        measured = {
            rows: self.cost(self.output(words, rows)[1]).seconds
            for rows in {*(rows for rows in all_rows if rows <= tried[1]), *tried}
            if rows <= max(all_rows)
        }

        def seconds(rows: int) -> float:
            if rows in measured:
                return measured[rows]
            one, two = (measured[each] for each in tried)
            return two + max(two - one, 0.0) * (rows - tried[1]) / tried[0]

        return [seconds(rows) for rows in all_rows]

    @cached_property
    def stepping(self) -> Cost:
        """Norm and step for each byte of parameters: the trainer's own, of two layers."""
        cells = self.shape.hidden_size
        model = Seq2Seq(Shape(2, 2, 1, cells, cells)).to(self.device)
        parameters = [*model.encoder.parameters(), *model.decoder.parameters()]
        for each in parameters:
            each.grad = torch.zeros_like(each)
        optimisers = Optimisers.of(self.config.optimiser, model)

        def run() -> Tensor:
            norm = gradient_norm(parameters)
            step(optimisers, 0.1, 1.0)
            return norm

        cost = self.cost(run)
        return Cost(cost.seconds / (memory.BYTES * memory.total_numel(parameters)), cost.issue)

    def copy(self, rows: int, width: int, other: torch.device) -> Cost:
        """A copy of [rows, width] numbers to ``other``."""
        numbers = self.random(rows, width)
        there = torch.empty_like(numbers, device=other)
        return self.cost(lambda: there.copy_(numbers, non_blocking=True))

    def parts(self, runs: Runs) -> tuple[Cost, Cost]:
        """The cost of the first part, and what the rest adds."""
        first, whole = (self.cost(run) for run in runs)
        rest = max(0.0, whole.seconds - first.seconds), max(0.0, whole.issue - first.issue)
        return first, Cost(*rest)

    def cost(self, run: Callable[[], Tensor]) -> Cost:
        return Cost(fastest(run, self.device, MEASUREMENTS), issue_seconds(run, self.device))

    def random(self, *size: int) -> Tensor:
        return torch.empty(*size, device=self.device).uniform_(-0.08, 0.08)

    def products(self) -> torch.autocast:
        """Compute as the trainer does."""
        return products_in(self.device, self.config.precision)


def issue_seconds(run: Callable[[], Tensor], device: torch.device) -> float:
    """Seconds until a GPU has its work; none on a CPU, where the call is the work."""
    if device.type == "cpu":
        return 0.0
    synchronise(device)
    begin = time.perf_counter()
    run()
    issued = time.perf_counter()
    synchronise(device)
    return issued - begin


def measure_costs(meter: Meter, placement: Placement, model: Seq2Seq, batch: BatchShape) -> Costs:
    """The costs of a placement's tasks, as if all its devices were the meter's.

    What the gradients of the output layer take is divided evenly between those of rows and those
    of weights: their products are of one size.
    """
    stretch = time_chunk(meter.device.type)
    rows, cells = stretch * batch.pairs, meter.shape.hidden_size
    forward, backward = zip(*meter.layers(stretch, batch.pairs), strict=True)
    words = most_words(placement)
    logits, gradients = meter.parts(meter.output(words, rows))
    half = Cost(gradients.seconds / 2, gradients.issue / 2)
    others = [device for device in placement.devices if device != meter.device]
    other = others[0] if others else meter.device
    places = range(len(placement.devices))
    parameters = [memory.BYTES * memory.dense(model, placement, place) for place in places]
    return Costs(
        forward=forward,
        backward=backward,
        logits=logits,
        to_rows=half,
        to_weights=half,
        rows=meter.copy(rows, cells, other),
        numbers=meter.copy(rows, STATISTICS_PER_ROW, other),
        step=tuple(meter.stepping.share(size) for size in parameters),
    )


def on_one_device(
    meter: Meter, model: Seq2Seq, batches: Sequence[BatchShape], words: int
) -> list[float]:
    """Seconds of updates on one device alone, where layers read whole sentences.

    Looking words up is not counted. `MEASURED_STEPS` of a sentence and ``words`` of the output
    layer are measured.
    """
    outputs = meter.output_seconds(words, [batch.target * batch.pairs for batch in batches])
    dense = memory.total_numel(model.parameters()) - memory.total_numel(model.tables())
    stepped = meter.stepping.share(memory.BYTES * dense).seconds
    share = meter.shape.target_vocabulary / words
    return [
        layers_seconds(meter, batch) + share * output + stepped
        for batch, output in zip(batches, outputs, strict=True)
    ]


def layers_seconds(meter: Meter, batch: BatchShape) -> float:
    """Seconds of encoder and decoder, reckoned from a part of their time steps."""
    steps = batch.source + batch.target
    tried = min(-(-steps // 2), MEASURED_STEPS)
    return meter.layers_seconds(tried, batch.pairs) * steps / tried


def whole_updates(meter: Meter, batches: Sequence[BatchShape]) -> list[float]:
    """Seconds of updates on one device of any `Shape`, each measured whole.

    For that a model is allocated, of random weights; words are drawn at random, too.
    """
    with meter.device:
        model = Seq2Seq(meter.shape, dropout=meter.config.dropout)
    model.initialise(meter.config.initial_range, torch.Generator(meter.device))
    optimisers = Optimisers.of(meter.config.optimiser, model)
    precision = meter.config.precision
    return [
        meter.cost(
            partial(idle_update, model, optimisers, each.to(meter.device), precision)
        ).seconds
        for each in (random_batch(meter.shape, batch) for batch in batches)
    ]


def idle_update(
    model: Seq2Seq, optimisers: Optimisers, batch: Batch, precision: TrainingPrecision
) -> Tensor:
    """Make an update as the trainer does, with a step of no length."""
    model.zero_grad()
    backward(model, batch, batch.sentences, precision)
    norm = gradient_norm(model.parameters())
    step(optimisers, 0.0, 1.0)
    return norm


def random_batch(shape: Shape, batch: BatchShape) -> Batch:
    """Draw sentences of the lengths of ``batch``."""

    def side(words: int, length: int) -> Side:
        ids = torch.randint(words, (batch.pairs * length,), dtype=torch.int32)
        return Side(ids, torch.arange(batch.pairs + 1) * length)

    split = Split(
        side(shape.source_vocabulary, batch.source), side(shape.target_vocabulary, batch.target - 1)
    )
    return make_batch(split, torch.arange(batch.pairs))


def most_words(placement: Placement) -> int:
    """Words of the largest slice of the output layer."""
    words: int = max(part.stop - part.start for _, part in placement.sliced())
    return words
