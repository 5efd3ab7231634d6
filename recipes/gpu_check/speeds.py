"""Speeds at the paper's size: random weights, random words."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import get_args

from machine import RECIPES, Machine, Skipped, metrics, random_text

from s2s_cli.distributed.config import Layout
from s2s_cli.model.config import TrainingPrecision

GIB = 2**30
# A speed and the memory that it took, as the page shows them.
Speed = tuple[str, str]


def trained(machine: Machine, precision: TrainingPrecision, layout: Layout | None) -> Speed:
    """Words of both languages a second, the median of updates, the first ones left out."""
    sizes = machine.sizes
    data = machine.work / "random" / "data"
    if not (data / "corpus.json").exists():
        random_text(machine)
    name = f"speed-{precision}-{layout}"
    several: list[object] = []
    if layout is not None:
        if machine.gpus < 2:
            raise Skipped("needs two GPUs")
        several = ["--gpus", machine.gpus, "--layout", layout]
    told = machine.work / "told"
    told.unlink(missing_ok=True)
    machine.inside(
        *(1, told, "train", "--data", data, "--model", name, "--device", "cuda"),
        *("--layers", sizes.layers, "--hidden-size", sizes.width),
        *("--embedding-size", sizes.width, "--batch-size", sizes.batch, "--log-every", 1),
        *("--max-updates", sizes.updates, "--precision", precision, "--samples", 0, *several),
    )
    speeds = [line["words_per_second"] for line in metrics(machine.work / name) if "loss" in line]
    most = f"{int(told.read_text()) / GIB:.1f}" if layout != "data" else "not measured"
    return f"{median(speeds[len(speeds) // 2 :]):,.0f} words/s", most


def random_model(machine: Machine) -> Path:
    sizes, model = machine.sizes, machine.work / "large"
    if not model.exists():
        rows = [words + 2 for words in sizes.words]
        shape = [sizes.layers, sizes.width, sizes.width]
        script = RECIPES / "speed/random_model.py"
        machine.run([sys.executable, script, model, *shape, *rows])
    return model


def decoded(machine: Machine, precision: TrainingPrecision) -> Speed:
    """Sentences a second with beam 12; what a single line takes is start-up."""
    lines, model = some_lines(machine), random_model(machine)
    limit = ["--max-length", machine.sizes.length, "--tokenised", "--quiet"]
    command = ["decode", "--model", model, "--device", "cuda", "--precision", precision, *limit]
    one = machine.work / "one.txt"
    one.write_text(lines.read_text().split("\n")[0] + "\n")
    command += ["--beam", 12]
    whole, start = (machine.seconds(*command, stdin=each) for each in (lines, one))
    return f"{machine.sizes.lines / max(whole - start, 1e-3):,.1f} sentences/s", ""


def rescored(machine: Machine, precision: TrainingPrecision) -> Speed:
    """Hypotheses a second of lists that the model made, start-up included."""
    lines, model = some_lines(machine), random_model(machine)
    nbest = machine.work / "nbest.txt"
    limit = ["--max-length", machine.sizes.length, "--tokenised", "--quiet", "--device", "cuda"]
    if not nbest.exists():
        command = ["decode", "--model", model, "--beam", 12, "--nbest", 12, *limit]
        nbest.write_text(machine.s2s(*command, stdin=lines))
    count = len(nbest.read_text().splitlines())
    begin = time.monotonic()
    machine.s2s(
        *("rescore", nbest, "--model", model, "--source", lines, "--tokenised", "--quiet"),
        *("--device", "cuda", "--precision", precision),
    )
    return f"{count / (time.monotonic() - begin):,.0f} hypotheses/s", ""


def some_lines(machine: Machine) -> Path:
    sizes, lines = machine.sizes, machine.work / "lines.txt"
    numbers = range(sizes.lines * sizes.length)
    words = [f"w{number * 7919 % sizes.words[0]}" for number in numbers]
    rows = zip(*[iter(words)] * sizes.length, strict=True)
    lines.write_text("".join(" ".join(row) + "\n" for row in rows))
    return lines


def all_speeds() -> Iterator[tuple[str, Callable[[Machine], Speed]]]:
    """What is measured, by the names that the page has."""
    for precision in get_args(TrainingPrecision):
        yield f"training, one GPU, {precision}", bound(trained, precision, None)
    for layout in get_args(Layout):
        for precision in get_args(TrainingPrecision):
            yield f"training, layout {layout}, {precision}", bound(trained, precision, layout)
    for precision in get_args(TrainingPrecision):
        yield f"decoding, beam 12, {precision}", bound(decoded, precision)
    for precision in get_args(TrainingPrecision):
        yield f"rescoring, {precision}", bound(rescored, precision)


def bound(function: Callable[..., Speed], *arguments: object) -> Callable[[Machine], Speed]:
    return lambda machine: function(machine, *arguments)
