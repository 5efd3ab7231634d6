"""The section plan: what `s2s train --plan` predicts for the paper's model over several devices.

Nothing is trained: the command measures the parts of an update on one device and simulates the
schedule of all. Its numbers are those that it prints with --json.
"""

from dataclasses import replace
from functools import partial
from typing import Any, Literal

import torch

from bench import synthetic
from bench.measuring import Bench, Entry, measured
from bench.settings import Settings
from bench.timing import Failed
from bench.tools.tool import Values

SECTION = "plan"
NOTE = (
    "What `s2s train --gpus N --plan` predicts; nothing is trained. Virtual devices stand for GPUs"
    " that are not there: each is taken for a machine like this one, so that copies cost what"
    " memory costs. The paper's eight GPUs, four with a layer each and four that share the output"
    " layer, read 6,300 words/s, 3.7 times the 1,700 of one (§3.5)."
    ' "× one device": a device alone that reads whole sentences; "× in stretches": one that reads'
    " a few words of each at a time, as several do. MiB moved are those of all devices together."
    " With the layout data each has the whole model; its words/s leave communication out, and its"
    " MiB moved are an upper bound."
)
Layout = Literal["model", "data"]
WORDS = 25, 30  # of a source and of a target
DEVICES_OF_DATA = 8  # of the layout data, beside the paper's
MIB, GIB = 2**20, 2**30


def plan(bench: Bench) -> None:
    """The layout of the paper over several numbers of devices, and the layout data over eight.

    All are of one case, so that rounds alternate between them.
    """
    sizes, shape = bench.sizes, bench.sizes.shapes["paper"]
    plans: list[tuple[int, Layout]] = [(devices, "model") for devices in sizes.devices]
    entries = [planned(bench, *each) for each in [*plans, (DEVICES_OF_DATA, "data")]]
    rows = " + ".join(map(str, sizes.paper_words))
    case = f"{shape.layers} x {shape.cells} cells, {rows} rows, {sizes.batch} pairs"
    bench.rounds(SECTION, case, entries)


def planned(bench: Bench, devices: int, layout: Layout) -> Entry:
    there = bench.settings.gpu and torch.cuda.device_count() >= devices
    name = f"{devices} {'GPUs' if there else 'virtual devices'}"
    measure = partial(plan_once, bench, devices, layout, there)
    entry = bench.entry(bench.ours, measure)
    return replace(entry, name=f"{name}, layout data" if layout == "data" else name)


def plan_once(bench: Bench, devices: int, layout: Layout, there: bool, round: int) -> Values:
    """The batch is that of all devices together."""
    sizes = bench.sizes
    data = synthetic.corpus(bench.corpora, sizes.paper_words, WORDS, sizes.batch)
    plan, timing = bench.ours.plan(
        data,
        sizes.shapes["paper"],
        ["--gpus", devices, "--layout", layout, "--batch-size", sizes.batch],
        where(bench.settings, there),
    )
    return measured(timing, **figures(plan, devices, sizes.batch))


def where(settings: Settings, there: bool) -> str:
    """For ``--device``: with a number, all devices are virtual ones on that GPU."""
    return "cuda:0" if settings.device == "cuda" and not there else settings.device


def figures(plan: dict[str, Any], devices: int, pairs: int) -> Values:
    """The numbers of a plan.

    Args:
        plan: what the command printed.
        devices: how many it planned for.
        pairs: of its batch.

    Returns:
        words_per_second, predicted, and one_device_words_per_second; speed_up and, of the layout
        "model", speed_up_in_stretches; moved_mib, of an update, all devices together; device_gib,
        the memory of the largest; layer_places and output_places, of the layout "model".

    Raises:
        Failed: it is a plan of another batch or of other devices.
    """
    expected = {"pairs": pairs, "source": WORDS[0], "target": WORDS[1] + 1}
    if plan["batch"] != expected:
        raise Failed(f"the plan is one of {plan['batch']}, not of {expected}")
    named = plan["devices"] if plan["layout"] == "data" else [*plan["places"], *plan["unused"]]
    if len(named) != devices:
        raise Failed(f"the plan is one of {len(named)} devices, not of {devices}")
    values = {
        "words_per_second": plan["predicted"]["words_per_second"],
        "one_device_words_per_second": plan["one_device"]["words_per_second"],
        "speed_up": plan["speed_up"],
    }
    return values | (of_data(plan) if plan["layout"] == "data" else of_model(plan))


def of_model(plan: dict[str, Any]) -> Values:
    places = plan["places"]
    return {
        "layer_places": float(sum(each["layers"] > 0 for each in places)),
        "output_places": float(sum(each["output_words"] > 0 for each in places)),
        "speed_up_in_stretches": plan["speed_up_in_stretches"],
        "moved_mib": sum(plan["moved_bytes"].values()) / MIB,
        "device_gib": max(each["memory_bytes"] for each in places) / GIB,
    }


def of_data(plan: dict[str, Any]) -> Values:
    sent = plan["dense_bytes"] + plan["sparse_bytes"]
    return {
        "moved_mib": len(plan["devices"]) * sent / MIB,
        "device_gib": plan["memory_bytes"] / GIB,
    }
