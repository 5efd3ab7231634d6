"""What a training over several devices will be like, told before it is begun."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import torch

from s2s_cli.console import say
from s2s_cli.data.corpus import Corpus, Side
from s2s_cli.distributed.config import Layout
from s2s_cli.errors import UsageError
from s2s_cli.model.config import ModelConfig, Shape
from s2s_cli.model.pipeline import NOT_SPREAD, STRETCH
from s2s_cli.model.placement import Placement
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.model.variant import AnySeq2Seq, make_model
from s2s_cli.training import memory, report
from s2s_cli.training.config import TrainingConfig
from s2s_cli.training.costs import Meter, measure, most_words, on_one_device, whole_updates
from s2s_cli.training.simulation import Schedule, on_one_place, simulate
from s2s_cli.training.tasks import Costs, Load, update_tasks

PAPER = (
    'the paper: 1,700 words/s on one GPU, 6,300 on eight with the layout "model", '
    "3.7 times as many (§3.5)"
)


def plan(
    corpus: Corpus,
    shape: ModelConfig,
    config: TrainingConfig,
    devices: tuple[torch.device, ...],
    layout: Layout,
) -> str:
    """What ``--plan`` prints: placement, bytes moved, memory, and the speed to be expected.

    Parts of an update are measured on the first device at the model's size, one after another, and
    the schedule of all is simulated. Nothing is trained and no model allocated. Of a variant of the
    paper's model, whole updates of random weights are measured.

    Args:
        corpus: vocabularies and lengths of sentences are taken from it.
        shape: layers and sizes.
        config: batch size, optimiser and precision count.
        devices: where to train. One that is named several times counts as several.
        layout: one model over all devices, or a process with a model for each.

    Raises:
        UserError: a variant of the paper's model, which is not spread over several devices.
    """
    sizes = len(corpus.source_vocabulary), len(corpus.target_vocabulary)
    with torch.device("meta"):
        model = make_model(Shape.of(shape, *sizes))
    meter = Meter(model.shape, config, devices[0])
    spread = layout == "model" and len(devices) > 1
    if not isinstance(model, Seq2Seq):
        if spread:
            raise UsageError(NOT_SPREAD)
        say(f"measuring whole updates on {devices[0]}; nothing is trained")
        return of_whole_models(corpus, model, meter, devices)
    say(f"measuring parts of an update on {devices[0]}; nothing is trained")
    return (of_one_model if spread else of_whole_models)(corpus, model, meter, devices)


def of_one_model(
    corpus: Corpus, model: Seq2Seq, meter: Meter, devices: tuple[torch.device, ...]
) -> str:
    """The layout "model": one process, the model spread over the devices (§3.5)."""
    load, config = mean_load(corpus, meter.config.batch_size), meter.config
    placement = Placement.of(model.shape, devices)
    costs = measure(meter, placement, model, load)
    low_bytes = memory.bytes_of_products(config)
    tasks = update_tasks(placement, model.shape.hidden_size, load, costs, low_bytes=low_bytes)
    schedule = simulate(tasks)
    in_stretches = simulate(on_one_place(tasks)).makespan
    (whole,) = on_one_device(meter, model, [load], most_words(placement))
    needed = report.gibibytes(memory.memory_estimate(model, config, *corpus.train.longest()))
    return "\n".join(
        [
            *places_table(corpus, model, config, placement, schedule),
            *unused(placement, devices),
            moved(schedule),
            f"an update: {load_text(load)}, read in stretches of {STRETCH} words",
            f"predicted: {speed(load, schedule.makespan)}, the devices busy "
            f"{mean_busy(schedule, placement):.0%} of the time",
            f"one device: {speed(load, whole)}, {needed}; predicted speed-up "
            f"{whole / schedule.makespan:.2f} (over one device that reads in stretches, too: "
            f"{in_stretches / schedule.makespan:.2f})",
            largest(corpus),
            measured(meter, costs, schedule),
            PAPER,
        ]
    )


def of_whole_models(
    corpus: Corpus, model: AnySeq2Seq, meter: Meter, devices: tuple[torch.device, ...]
) -> str:
    """The layout "data": a process with a whole model for each device, which shares the batch."""
    load, ranks = mean_load(corpus, meter.config.batch_size), len(devices)
    share = Load(-(-load.pairs // ranks), load.source, load.target)
    loads = [load, share] if ranks > 1 else [load]
    where = f"measured on {meter.device} in {meter.config.precision}"
    if isinstance(model, Seq2Seq):
        alone, *shared = on_one_device(meter, model, loads, model.shape.target_vocabulary)
        layers, notes = "LSTMs", [f"{where}; looking words up is not counted", PAPER]
    else:
        alone, *shared = whole_updates(meter, loads)
        layers, notes = "layers", [where]
    needed = report.gibibytes(rank_memory(corpus, model, meter.config, share.pairs))
    lines = [
        *columns([("rank", "device", "memory"), *ranks_table(devices, needed)]),
        f"an update: {load_text(load)}, at most {share.pairs:,} pairs a device",
        f"one device: {speed(load, alone)}",
    ]
    if shared:
        dense, rows = exchanged(model, share, ranks)
        lines += [
            f"sent by each device an update: {mebibytes(dense)} of the gradients of {layers} and "
            f"output layer (a ring), at most {mebibytes(rows)} of the embeddings of its words",
            f"predicted without communication: {speed(load, shared[0])}, speed-up "
            f"{alone / shared[0]:.2f}; communication is not in it",
        ]
    lines += [largest(corpus), *notes]
    return "\n".join(lines)


def mean_load(corpus: Corpus, pairs: int) -> Load:
    """A batch of sentences of mean length, in whole words."""
    source, target = (mean_length(side) for side in (corpus.train.source, corpus.train.target))
    return Load(min(pairs, len(corpus.train)), source, target + 1)


def mean_length(side: Side) -> int:
    return max(1, round(int(side.offsets[-1]) / len(side)))


def largest(corpus: Corpus) -> str:
    source, target = corpus.train.longest()
    return f"memory is that of the largest batch, of {source} source and {target} target words"


def places_table(
    corpus: Corpus,
    model: Seq2Seq,
    config: TrainingConfig,
    placement: Placement,
    schedule: Schedule,
) -> list[str]:
    """A line for each place: its device, memory at the largest batch, and its part of the model."""
    lengths = corpus.train.longest()
    rows = [("place", "device", "memory", "busy", "what")]
    for place, device in enumerate(placement.devices):
        needed = memory.place_memory(model, config, placement, place, *lengths)
        busy = f"{schedule.busy(place):.0%}"
        what = placement.what(place)
        rows.append((str(place), str(device), report.gibibytes(needed), busy, what))
    return columns(rows)


def unused(placement: Placement, devices: tuple[torch.device, ...]) -> list[str]:
    """The devices for which no words of the output layer are left."""
    places = range(len(placement.devices), len(devices))
    return [f"{place}  {devices[place]}  nothing, the model is too small" for place in places]


def moved(schedule: Schedule) -> str:
    """Bytes from place to place in an update, in all and by what they are."""
    sizes = Counter[str]()
    for task in schedule.tasks:
        sizes[task.kind] += task.size
    told = ", ".join(f"{kind} {mebibytes(size)}" for kind, size in sizes.items() if size)
    return f"moved between devices an update: {mebibytes(sizes.total())} ({told})"


def mean_busy(schedule: Schedule, placement: Placement) -> float:
    places = range(len(placement.devices))
    return sum(schedule.busy(place) for place in places) / len(places)


def measured(meter: Meter, costs: Costs, schedule: Schedule) -> str:
    """What the prediction was made of."""
    gradients = costs.to_rows.seconds + costs.to_weights.seconds
    told = (
        f"measured on {meter.device} in {meter.config.precision}, a stretch at a time: a layer "
        f"{milliseconds(costs.forward[-1].seconds)} forward and "
        f"{milliseconds(costs.backward[-1].seconds)} backward, a slice of the output layer "
        f"{milliseconds(costs.logits.seconds)} and {milliseconds(gradients)}, a copy of its rows "
        f"{milliseconds(costs.rows.seconds)}; looking words up is not counted"
    )
    if meter.device.type == "cpu":
        return told + "; each place is taken for a machine like this one"
    issue = sum(task.cost.issue for task in schedule.tasks)
    return told + f"; handing out the tasks of an update takes the process {issue:.3g} s"


def rank_memory(corpus: Corpus, model: AnySeq2Seq, config: TrainingConfig, pairs: int) -> int:
    """As of a training of its own with ``pairs`` a batch."""
    return memory.memory_estimate(model, replace(config, batch_size=pairs), *corpus.train.longest())


def ranks_table(devices: tuple[torch.device, ...], needed: str) -> list[tuple[str, ...]]:
    return [(str(rank), str(device), needed) for rank, device in enumerate(devices)]


def exchanged(model: AnySeq2Seq, share: Load, ranks: int) -> tuple[int, int]:
    """Bytes that each rank sends in an update.

    Returns:
        Dense gradients, summed in a ring: 2 (N - 1) / N times their size. Gradients of embeddings:
        a row and its id for each word that the rank reads, to each of the others; fewer where
        words come twice.
    """
    dense = memory.total_numel(model.parameters()) - memory.total_numel(model.tables())
    read = share.pairs * (share.source + share.target)
    row = memory.BYTES * model.shape.embedding_size + 8
    return 2 * (ranks - 1) * memory.BYTES * dense // ranks, (ranks - 1) * read * row


def load_text(load: Load) -> str:
    return f"{load.pairs:,} pairs of {load.source} source and {load.target - 1} target words"


def speed(load: Load, seconds: float) -> str:
    return f"{seconds:.3g} s an update, {load.words / max(seconds, 1e-9):,.0f} words/s"


def milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms"


def mebibytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB" if size >= 1 << 20 else f"{size:,} bytes"


def columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows as lines with their columns under each other, the last as it is."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
