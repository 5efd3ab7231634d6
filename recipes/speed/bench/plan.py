"""The section plan: what `s2s train --plan` predicts for the paper's model over several devices.

Nothing is trained: the command measures the parts of an update on one device and simulates the
schedule of all. Its numbers are read from the text that it prints.
"""

import re
from dataclasses import replace
from functools import partial
from typing import Literal

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
MIB = 2**20

COUNT, DECIMAL = r"(\d[\d,]*)", r"(\d+\.\d+)"
SIZE = r"(\d[\d,]*(?:\.\d+ MiB| bytes))"
SPEED = rf"\S+ s an update, {COUNT} words/s"
PLACE = rf"\d+ +\S+ +{DECIMAL} GiB +\d+% +(.+)"
UNUSED = r"\d+ +\S+ +nothing, the model is too small"
RANK = rf"\d+ +\S+ +{DECIMAL} GiB"
MOVED = rf"moved between devices an update: {SIZE} \(.+\)"
PREDICTED = rf"predicted: {SPEED}, the devices busy \d+% of the time"
SPEED_UP = (
    rf"one device: {SPEED}, {DECIMAL} GiB; predicted speed-up {DECIMAL}"
    rf" \(over one device that reads in stretches, too: {DECIMAL}\)"
)
ONE_DEVICE = f"one device: {SPEED}"
SENT = (
    rf"sent by each device an update: {SIZE} of the gradients of LSTMs and output layer \(a ring\),"
    rf" at most {SIZE} of the embeddings of its words"
)
PREDICTED_SHARED = (
    rf"predicted without communication: {SPEED}, speed-up {DECIMAL}; communication is not in it"
)


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
    text, timing = bench.ours.plan(
        data,
        sizes.shapes["paper"],
        ["--gpus", devices, "--layout", layout, "--batch-size", sizes.batch],
        where(bench.settings, there),
    )
    expect_load(text, sizes.batch)
    return measured(timing, **figures(text, devices, layout))


def where(settings: Settings, there: bool) -> str:
    """For ``--device``: with a number, all devices are virtual ones on that GPU."""
    return "cuda:0" if settings.device == "cuda" and not there else settings.device


def expect_load(text: str, pairs: int) -> None:
    """The plan must be of the batch that was asked for.

    Raises:
        Failed: it is of another.
    """
    load = f"{pairs:,} pairs of {WORDS[0]} source and {WORDS[1]} target words"
    if f"an update: {load}, " not in text:
        raise Failed(f"the plan is not one of {load}")


def figures(text: str, devices: int, layout: Layout) -> Values:
    """The numbers of a plan.

    Args:
        text: what the command printed.
        devices: how many it planned for.
        layout: of the plan.

    Returns:
        words_per_second, predicted, and one_device_words_per_second; speed_up and, of the layout
        "model", speed_up_in_stretches; moved_mib, of an update, all devices together; device_gib,
        the memory of the largest; layer_places and output_places, of the layout "model".

    Raises:
        Failed: the text is another one than expected.
    """
    return of_one_model(text, devices) if layout == "model" else of_whole_models(text, devices)


def of_one_model(text: str, devices: int) -> Values:
    places = lines_like(PLACE, text)
    expect(devices, len(places) + len(lines_like(UNUSED, text)))
    layers, outputs = (
        sum(name in what for _, what in places) for name in ("of both LSTMs", "output layer, words")
    )
    expect(len(places), layers + outputs)
    (words,) = the_line(PREDICTED, text)
    alone, _, speed_up, in_stretches = the_line(SPEED_UP, text)
    (moved,) = the_line(MOVED, text)
    return {
        "layer_places": float(layers),
        "output_places": float(outputs),
        "words_per_second": number(words),
        "one_device_words_per_second": number(alone),
        "speed_up": number(speed_up),
        "speed_up_in_stretches": number(in_stretches),
        "moved_mib": mebibytes(moved),
        "device_gib": max(number(memory) for memory, _ in places),
    }


def of_whole_models(text: str, devices: int) -> Values:
    ranks = lines_like(RANK, text)
    expect(devices, len(ranks))
    words, speed_up = the_line(PREDICTED_SHARED, text)
    (alone,) = the_line(ONE_DEVICE, text)
    return {
        "words_per_second": number(words),
        "one_device_words_per_second": number(alone),
        "speed_up": number(speed_up),
        "moved_mib": devices * sum(map(mebibytes, the_line(SENT, text))),
        "device_gib": max(number(memory) for (memory,) in ranks),
    }


def lines_like(pattern: str, text: str) -> list[tuple[str, ...]]:
    """The groups of each line that ``pattern`` describes from end to end."""
    found = (re.fullmatch(pattern, line) for line in text.split("\n"))
    return [match.groups() for match in found if match]


def the_line(pattern: str, text: str) -> tuple[str, ...]:
    """The groups of the only such line."""
    found = lines_like(pattern, text)
    if len(found) != 1:
        start = re.split(r"[(\\]", pattern, maxsplit=1)[0].strip()
        raise Failed(f"the plan has {len(found)} lines like {start!r} as this section reads them")
    return found[0]


def expect(devices: int, found: int) -> None:
    if found != devices:
        raise Failed(f"the plan tells of {found} devices as this section reads it, not {devices}")


def number(text: str) -> float:
    return float(text.replace(",", ""))


def mebibytes(text: str) -> float:
    """``285.3 MiB`` or ``190,464 bytes``."""
    value, unit = text.split(" ")
    return number(value) / (MIB if unit == "bytes" else 1)
