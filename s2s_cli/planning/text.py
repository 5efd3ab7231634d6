"""A plan as ``s2s train --plan`` prints it, for a person and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from s2s_cli.console import counted
from s2s_cli.model.pipeline import time_chunk
from s2s_cli.planning.plan import DataPlan, Measured, ModelPlan, Speed
from s2s_cli.planning.tasks import BatchShape
from s2s_cli.training.report import gibibytes

PAPER = (
    'the paper: 1,700 words/s on one GPU, 6,300 on eight with the layout "model", '
    "3.7 times as many (§3.5)"
)


def plan_json(plan: ModelPlan | DataPlan) -> str:
    """One object with the fields of the plan."""
    return json.dumps(asdict(plan), indent=2)


def plan_text(plan: ModelPlan | DataPlan) -> str:
    """A table of the devices, and lines on the rest."""
    match plan:
        case ModelPlan():
            return "\n".join(model_lines(plan))
        case DataPlan():
            return "\n".join(data_lines(plan))


def model_lines(plan: ModelPlan) -> list[str]:
    rows = [("place", "device", "memory", "busy", "what")]
    for number, place in enumerate(plan.places):
        memory = gibibytes(place.memory_bytes)
        rows.append((str(number), place.device, memory, f"{place.busy:.0%}", place.part))
    kinds = ", ".join(f"{kind} {mebibytes(size)}" for kind, size in plan.moved_bytes.items())
    stretch = time_chunk(plan.places[0].device.partition(":")[0])
    busy = sum(place.busy for place in plan.places) / len(plan.places)
    return [
        *aligned(rows),
        *(
            f"{number}  {device}  nothing, the model is too small"
            for number, device in enumerate(plan.unused, len(plan.places))
        ),
        f"moved between devices an update: {mebibytes(sum(plan.moved_bytes.values()))} ({kinds})",
        f"an update: {batch_text(plan.batch)}, read in stretches of {stretch} words",
        f"predicted: {speed_text(plan.predicted)}, the devices busy {busy:.0%} of the time",
        f"one device: {speed_text(plan.one_device)}, {gibibytes(plan.one_device_bytes)}; "
        f"predicted speed-up {plan.speed_up:.2f} (over one device that reads in stretches, too: "
        f"{plan.speed_up_in_stretches:.2f})",
        largest_text(plan),
        measured_text(plan.measured),
        PAPER,
    ]


def data_lines(plan: DataPlan) -> list[str]:
    memory = gibibytes(plan.memory_bytes)
    ranks = [(str(rank), device, memory) for rank, device in enumerate(plan.devices)]
    where = f"measured on {plan.devices[0]} in {plan.precision}"
    lines = [
        *aligned([("rank", "device", "memory"), *ranks]),
        f"an update: {batch_text(plan.batch)}, "
        f"at most {counted(plan.pairs_per_device, 'pair')} a device",
        f"one device: {speed_text(plan.one_device)}",
    ]
    if plan.predicted is not None and plan.speed_up is not None:
        layers = "layers" if plan.whole else "LSTMs"
        lines += [
            f"sent by each device an update: {mebibytes(plan.dense_bytes)} of the gradients of "
            f"{layers} and output layer (a ring), at most {mebibytes(plan.sparse_bytes)} of the "
            "embeddings of its words",
            f"predicted without communication: {speed_text(plan.predicted)}, speed-up "
            f"{plan.speed_up:.2f}; communication is not in it",
        ]
    if plan.whole:
        return [*lines, largest_text(plan), where]
    return [*lines, largest_text(plan), f"{where}; looking words up is not counted", PAPER]


def measured_text(measured: Measured) -> str:
    """The measurements that the prediction was made of."""
    text = (
        f"measured on {measured.device} in {measured.precision}, a stretch at a time: a layer "
        f"{milliseconds(measured.layer_forward)} forward and "
        f"{milliseconds(measured.layer_backward)} backward, a slice of the output layer "
        f"{milliseconds(measured.slice_forward)} and {milliseconds(measured.slice_backward)}, a "
        f"copy of its rows {milliseconds(measured.copy)}; looking words up is not counted"
    )
    if measured.issue is None:
        return text + "; each place is taken for a machine like this one"
    return text + f"; handing out the tasks of an update takes the process {measured.issue:.3g} s"


def largest_text(plan: ModelPlan | DataPlan) -> str:
    source, target = plan.longest
    return f"memory is that of the largest batch, of {source} source and {target} target words"


def batch_text(batch: BatchShape) -> str:
    pairs = counted(batch.pairs, "pair")
    return f"{pairs} of {batch.source} source and {batch.target - 1} target words"


def speed_text(speed: Speed) -> str:
    return f"{speed.seconds_per_update:.3g} s an update, {speed.words_per_second:,.0f} words/s"


def milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms"


def mebibytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB" if size >= 1 << 20 else f"{size:,} bytes"


def aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows as lines with their columns under each other, the last as it is."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
