"""The plan of a training: placement, memory, bytes that are moved, and predicted speed."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from s2s_cli.console import say
from s2s_cli.data.corpus import Corpus, Side
from s2s_cli.distributed.config import Layout
from s2s_cli.errors import UsageError
from s2s_cli.model.config import ModelConfig, Shape
from s2s_cli.model.device import choose_devices, keep_memory, require_memory, set_threads
from s2s_cli.model.pipeline import NOT_SPREAD
from s2s_cli.model.placement import Placement
from s2s_cli.model.precision import check_device
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.planning.costs import Meter, measure_costs, most_words, on_one_device, whole_updates
from s2s_cli.planning.simulation import Timetable, on_one_place, simulate
from s2s_cli.planning.tasks import BatchShape, Costs, update_tasks
from s2s_cli.training import memory
from s2s_cli.training.config import TrainingConfig


@dataclass(frozen=True)
class Speed:
    """Seconds of an update, and running words of both languages a second."""

    seconds_per_update: float
    words_per_second: float

    @classmethod
    def of(cls, batch: BatchShape, seconds: float) -> "Speed":
        return cls(seconds, batch.words / max(seconds, 1e-9))


@dataclass(frozen=True)
class Place:
    """A device of the plan.

    Attributes:
        device: its name.
        part: its part of the model, in words.
        layers: number of layers of each LSTM that it has.
        output_words: number of words that it has of the output layer.
        memory_bytes: needed for the largest batch.
        busy: share of the time in which it has a task.
    """

    device: str
    part: str
    layers: int
    output_words: int
    memory_bytes: int
    busy: float


@dataclass(frozen=True)
class Measured:
    """Measurements that a prediction was made of: seconds of a stretch of time steps.

    Attributes:
        device: on which they were made.
        precision: of products.
        layer_forward: of the top layer.
        layer_backward: likewise.
        slice_forward: of a slice of the output layer.
        slice_backward: its gradients.
        copy: of the rows of the output layer to another device.
        issue: of a whole update, for the process that hands out its tasks; of a GPU.
    """

    device: str
    precision: str
    layer_forward: float
    layer_backward: float
    slice_forward: float
    slice_backward: float
    copy: float
    issue: float | None


@dataclass(frozen=True)
class ModelPlan:
    """A plan of the layout "model": one process, the model spread over the devices (§3.5).

    Attributes:
        layout: its name.
        places: devices with a part of the model.
        unused: names of the devices that are left without one.
        moved_bytes: from device to device in an update, by what they are.
        batch: the mean batch.
        predicted: speed of all devices together.
        one_device: speed of one that reads whole sentences.
        one_device_bytes: memory of that.
        speed_up: over that.
        speed_up_in_stretches: over one device that reads a few words of each sentence at a time.
        longest: words of the longest source and target, which the largest batch is made of.
        measured: what the prediction was made of.
    """

    layout: Layout
    places: list[Place]
    unused: list[str]
    moved_bytes: dict[str, int]
    batch: BatchShape
    predicted: Speed
    one_device: Speed
    one_device_bytes: int
    speed_up: float
    speed_up_in_stretches: float
    longest: tuple[int, int]
    measured: Measured


@dataclass(frozen=True)
class DataPlan:
    """A plan of the layout "data", a process with a whole model for each device; or of one device.

    Attributes:
        layout: its name.
        devices: names of the devices, one for each rank.
        memory_bytes: of each, for the largest batch.
        batch: the mean batch.
        pairs_per_device: of that at most.
        one_device: speed of one that has the whole batch.
        dense_bytes: sent by each device in an update: gradients of all but embeddings, in a ring.
        sparse_bytes: at most, of the embeddings of its words.
        predicted: speed of all devices together without communication; None of one device.
        speed_up: of that over one device.
        longest: words of the longest source and target, which the largest batch is made of.
        precision: of products.
        whole: an update was measured whole, as of any variant, not in parts.
    """

    layout: Layout
    devices: list[str]
    memory_bytes: int
    batch: BatchShape
    pairs_per_device: int
    one_device: Speed
    dense_bytes: int
    sparse_bytes: int
    predicted: Speed | None
    speed_up: float | None
    longest: tuple[int, int]
    precision: str
    whole: bool


def plan_training(
    data: Path, config: ModelConfig, training: TrainingConfig
) -> ModelPlan | DataPlan:
    """Plan the training of a corpus, as its settings say.

    Raises:
        UserError: no corpus; devices that are not there (exit code 2).
    """
    devices = choose_devices(training.device, training.gpus)
    check_device(devices[0], training.precision)
    set_threads(training.threads)
    keep_memory()
    return make_plan(Corpus.open(data), config, training, devices, training.layout)


def make_plan(
    corpus: Corpus,
    config: ModelConfig,
    training: TrainingConfig,
    devices: tuple[torch.device, ...],
    layout: Layout,
) -> ModelPlan | DataPlan:
    """Plan a training.

    Parts of an update are measured on the first device at the model's size, one after another, and
    their timetable is simulated. Nothing is trained and no model allocated. Of a variant of the
    paper's model, whole updates of random weights are measured.

    Args:
        corpus: vocabularies and lengths of sentences are taken from it.
        config: layers and sizes.
        training: batch size, optimiser and precision count.
        devices: where to train. One that is named several times counts as several.
        layout: one model over all devices, or a process with a model for each.

    Raises:
        UserError: a variant of the paper's model, which is not spread over several devices; parts
            that the machine cannot hold.
    """
    sizes = len(corpus.source_vocabulary), len(corpus.target_vocabulary)
    with torch.device("meta"):
        model = Seq2Seq(Shape.of(config, *sizes))
    require_memory(memory.measured_bytes(model, training), "measuring takes", devices[0])
    meter = Meter(model.shape, training, devices[0])
    spread = layout == "model" and len(devices) > 1
    if not model.shape.plain:
        if spread:
            raise UsageError(NOT_SPREAD)
        say(f"measuring whole updates on {devices[0]}; nothing is trained")
        return plan_data(corpus, model, meter, devices)
    say(f"measuring parts of an update on {devices[0]}; nothing is trained")
    return (plan_model if spread else plan_data)(corpus, model, meter, devices)


def plan_model(
    corpus: Corpus, model: Seq2Seq, meter: Meter, devices: tuple[torch.device, ...]
) -> ModelPlan:
    """Plan the layout "model"."""
    batch, config = mean_batch(corpus, meter.config.batch_size), meter.config
    placement = Placement.of(model.shape, devices)
    words = {place: rows.stop - rows.start for place, rows in placement.sliced()}
    costs = measure_costs(meter, placement, model, batch)
    low_bytes = memory.bytes_of_products(config)
    tasks = update_tasks(placement, model.shape.hidden_size, batch, costs, low_bytes=low_bytes)
    timetable = simulate(tasks)
    in_stretches = simulate(on_one_place(tasks)).makespan
    (alone,) = on_one_device(meter, model, [batch], most_words(placement))
    longest = corpus.train.longest()
    return ModelPlan(
        layout="model",
        places=[
            Place(
                device=str(device),
                part=placement.what(place),
                layers=placement.layers.count(place),
                output_words=words.get(place, 0),
                memory_bytes=memory.place_memory(model, config, placement, place, *longest),
                busy=timetable.busy(place),
            )
            for place, device in enumerate(placement.devices)
        ],
        unused=[str(device) for device in devices[len(placement.devices) :]],
        moved_bytes=moved_bytes(timetable),
        batch=batch,
        predicted=Speed.of(batch, timetable.makespan),
        one_device=Speed.of(batch, alone),
        one_device_bytes=memory.memory_estimate(model, config, *longest, devices[0].type),
        speed_up=alone / timetable.makespan,
        speed_up_in_stretches=in_stretches / timetable.makespan,
        longest=longest,
        measured=measured(meter, costs, timetable),
    )


def plan_data(
    corpus: Corpus, model: Seq2Seq, meter: Meter, devices: tuple[torch.device, ...]
) -> DataPlan:
    """Plan the layout "data", or one device."""
    batch, ranks = mean_batch(corpus, meter.config.batch_size), len(devices)
    shard = replace(batch, pairs=-(-batch.pairs // ranks))
    batches = [batch, shard] if ranks > 1 else [batch]
    if model.shape.plain:
        alone, *sharded = on_one_device(meter, model, batches, model.shape.target_vocabulary)
    else:
        alone, *sharded = whole_updates(meter, batches)
    dense, sparse = exchanged(model, shard, ranks)
    config, longest = replace(meter.config, batch_size=shard.pairs), corpus.train.longest()
    return DataPlan(
        layout="data",
        devices=[str(device) for device in devices],
        memory_bytes=memory.memory_estimate(model, config, *longest, devices[0].type),
        batch=batch,
        pairs_per_device=shard.pairs,
        one_device=Speed.of(batch, alone),
        dense_bytes=dense,
        sparse_bytes=sparse,
        predicted=Speed.of(batch, sharded[0]) if sharded else None,
        speed_up=alone / sharded[0] if sharded else None,
        longest=longest,
        precision=meter.config.precision,
        whole=not model.shape.plain,
    )


def mean_batch(corpus: Corpus, pairs: int) -> BatchShape:
    """A batch of sentences of mean length, in whole words."""
    source, target = (mean_length(side) for side in (corpus.train.source, corpus.train.target))
    return BatchShape(min(pairs, len(corpus.train)), source, target + 1)


def mean_length(side: Side) -> int:
    return max(1, round(int(side.offsets[-1]) / len(side)))


def moved_bytes(timetable: Timetable) -> dict[str, int]:
    """Bytes from place to place in an update, by what they are."""
    sizes = Counter[str]()
    for task in timetable.tasks:
        sizes[task.kind] += task.size
    return {kind: size for kind, size in sizes.items() if size}


def measured(meter: Meter, costs: Costs, timetable: Timetable) -> Measured:
    on_cpu = meter.device.type == "cpu"
    return Measured(
        device=str(meter.device),
        precision=meter.config.precision,
        layer_forward=costs.forward[-1].seconds,
        layer_backward=costs.backward[-1].seconds,
        slice_forward=costs.logits.seconds,
        slice_backward=costs.to_rows.seconds + costs.to_weights.seconds,
        copy=costs.rows.seconds,
        issue=None if on_cpu else sum(task.cost.issue for task in timetable.tasks),
    )


def exchanged(model: Seq2Seq, shard: BatchShape, ranks: int) -> tuple[int, int]:
    """Bytes that each rank sends in an update.

    Returns:
        Dense gradients, summed in a ring: 2 (N - 1) / N times their size. Gradients of embeddings:
        a row and its id for each word that the rank reads, to each of the others; fewer where
        words come twice.
    """
    dense = memory.total_numel(model.parameters()) - memory.total_numel(model.tables())
    read = shard.pairs * (shard.source + shard.target)
    row = memory.BYTES * model.shape.embedding_size + 8
    return 2 * (ranks - 1) * memory.BYTES * dense // ranks, (ranks - 1) * read * row
