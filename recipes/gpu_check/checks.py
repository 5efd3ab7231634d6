"""The checks: each computes the same thing twice, and says how far the two lie apart."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import torch
from machine import Failed, Machine, Skipped, metrics
from torch import Tensor

from s2s_cli.distributed.config import Layout
from s2s_cli.model.config import TrainingPrecision

# The largest difference of weights after some updates, over the largest weight.
BOUNDS: dict[TrainingPrecision, float] = {"fp32": 1e-4, "tf32": 2e-2, "bf16": 5e-2}
LOG_PROBS: dict[TrainingPrecision, float] = {"fp32": 1e-3, "tf32": 5e-2, "bf16": 0.3}
# What was measured, and what it had to be.
Found = tuple[str, str]
Check = Callable[[Machine], Found]
FEW = ["--samples", "0", "--log-every", "1", "--layers", "2", "--batch-size", "32"]
ADAM = ["--optimiser", "adam", "--learning-rate", "0.001"]
WAIT_SECONDS = 120


def train(machine: Machine, name: str, *options: object, updates: int = 4) -> Path:
    """Train a small model."""
    cells = machine.sizes.cells
    machine.s2s(
        *("train", "--data", "data", "--model", name, "--max-updates", updates, *FEW, *ADAM),
        *("--hidden-size", cells, "--embedding-size", cells, *options),
    )
    return machine.work / name


def checkpoint(model: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(model / "last.pt", weights_only=True, map_location="cpu")
    return content


def distance(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """The largest difference of two models' weights, over the largest weight."""
    pairs = [(one[name].double(), other[name].double()) for name in one]
    largest = max(float(first.abs().max()) for first, _ in pairs)
    return max(float((first - second).abs().max()) for first, second in pairs) / largest


def near(found: float, bound: float) -> Found:
    if not found <= bound:
        raise Failed(f"{found:.1e}, more than {bound:.0e}")
    return f"{found:.1e}", f"at most {bound:.0e}"


def cpu_model(machine: Machine) -> Path:
    """A model that was trained on the CPU, made once."""
    model = machine.work / "cpu"
    return model if (model / "best.pt").exists() else train(machine, "cpu", "--device", "cpu")


def trains_as_the_cpu(precision: TrainingPrecision, layout: Layout | None) -> Check:
    """Weights after four updates, beside those of the CPU in fp32."""

    def check(machine: Machine) -> Found:
        options: list[object] = ["--device", "cuda", "--precision", precision]
        if layout is not None:
            if machine.gpus < 2:
                raise Skipped("needs two GPUs")
            options += ["--gpus", machine.gpus, "--layout", layout]
        model = train(machine, f"cuda-{precision}-{layout}", *options)
        found = distance(checkpoint(model)["model"], checkpoint(cpu_model(machine))["model"])
        return near(found, BOUNDS[precision])

    return check


def decodes_as_the_cpu(precision: TrainingPrecision) -> Check:
    """Log probabilities of the test text's translations by the CPU's model."""

    def check(machine: Machine) -> Found:
        cpu_model(machine)
        test = [machine.work / "data" / f"test.{language}" for language in ("en", "fr")]
        command: list[object] = ["score", "--model", "cpu", "--source", test[0], test[1]]
        command += ["--bare", "log-probability", "--sentences"]
        ours = machine.s2s(*command, "--device", "cuda", "--precision", precision)
        theirs = machine.s2s(*command, "--device", "cpu")
        pairs = zip(ours.split(), theirs.split(), strict=True)
        return near(max(abs(float(a) - float(b)) for a, b in pairs), LOG_PROBS[precision])

    return check


def lines_are_the_cpu_s(machine: Machine) -> Found:
    cpu_model(machine)
    source = machine.work / "corpus" / "test.en"
    command = ["decode", "--model", "cpu", "--beam", "5", "--quiet", "--device"]
    ours, theirs = (machine.s2s(*command, each, stdin=source) for each in ("cuda", "cpu"))
    lines = list(zip(ours.splitlines(), theirs.splitlines(), strict=True))
    same = sum(a == b for a, b in lines)
    if same < 0.95 * len(lines):
        raise Failed(f"{same} of {len(lines)} lines, fewer than 95%")
    return f"{same} of {len(lines)} lines", "at least 95%"


def company_changes_nothing(machine: Machine) -> Found:
    """A sentence has one translation and one log probability, whatever it is decoded with."""
    cpu_model(machine)
    source = machine.work / "corpus" / "test.en"
    command = ["decode", "--model", "cpu", "--nbest", "3", "--quiet", "--device", "cuda"]
    one, other = (machine.s2s(*command, "--batch-size", n, stdin=source) for n in (1, 40))
    if one != other:
        raise Failed("n-best lists differ with --batch-size 1 and 40")
    return "the same bytes", "the same bytes"


def resumes_exactly(machine: Machine) -> Found:
    """Two updates and two more, beside four at once, with dropout."""
    options = ["--device", "cuda", "--dropout", "0.2"]
    straight = checkpoint(train(machine, "straight", *options))["model"]
    train(machine, "resumed", *options, updates=2)
    resumed = checkpoint(train(machine, "resumed", *options))["model"]
    if differing := [name for name in straight if not torch.equal(straight[name], resumed[name])]:
        raise Failed(f"{len(differing)} of {len(straight)} tensors differ")
    return "the same bits", "the same bits"


def recovers_from_lack_of_memory(machine: Machine) -> Found:
    """A batch that does not fit is computed in parts, with the same result to rounding."""
    told, cells = machine.work / "told", machine.sizes.cells
    command: list[object] = ["train", "--data", "data", "--max-updates", "2", *ADAM, "--samples", 0]
    command += ["--device", "cuda", "--batch-size", "400", "--hidden-size", cells, "--model"]
    machine.inside(1, told, *command, "roomy")
    most = int(told.read_text())
    try:
        total = torch.cuda.get_device_properties(0).total_memory
    except NameError:  # of a build for CPUs, which a pretend GPU has
        raise Skipped("this build of torch has no limit of memory") from None
    errors = machine.inside(0.6 * most / total, told, *command, "narrow")
    if "in parts" not in errors:
        raise Failed(f"nothing was computed in parts with 60% of {most:,} bytes")
    models = (checkpoint(machine.work / each)["model"] for each in ("roomy", "narrow"))
    return near(distance(*models), BOUNDS["fp32"])


def survives_a_killed_rank(machine: Machine) -> Found:
    """The others end, with an error, and the training goes on from its checkpoint."""
    if machine.gpus < 2:
        raise Skipped("needs two GPUs")
    model = machine.work / "killed"
    options = ["--gpus", machine.gpus, "--layout", "data", "--save-every", 1]
    train(machine, "killed", *options, updates=2)
    command = [sys.executable, "-m", "s2s_cli", "train", "--data", "data", "--model", "killed"]
    command += ["--max-updates", "100000", *FEW, *ADAM, *map(str, options)]
    command += ["--hidden-size", str(machine.sizes.cells)]
    command += ["--embedding-size", str(machine.sizes.cells)]
    before = len(metrics(model))
    run = subprocess.Popen(command, cwd=machine.work, stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: len(metrics(model)) > before + 2)
        os.kill(children(run.pid)[-1], signal.SIGKILL)
        begin = time.monotonic()
        _, errors = run.communicate(timeout=WAIT_SECONDS)
    except subprocess.TimeoutExpired:
        raise Failed(f"the others still run after {WAIT_SECONDS} s") from None
    finally:
        run.kill()
    if not run.returncode:
        raise Failed("the command ended as if nothing had happened")
    if "Traceback" in errors:
        raise Failed("the command ended with a traceback")
    return f"{time.monotonic() - begin:.0f} s, exit code {run.returncode}", "an error, no traceback"


def children(process: int) -> list[int]:
    """Numbers of the processes that ``process`` has started, on Linux."""
    told = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(each) for each in told.split()]


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not true():
        if time.monotonic() > end:
            raise Failed(f"no update within {WAIT_SECONDS} s")
        time.sleep(0.2)


def all_checks() -> dict[str, Check]:
    """The checks by the names that the page has; layouts and precisions are those of s2s."""
    found: dict[str, Check] = {}
    for precision in get_args(TrainingPrecision):
        found[f"training, one GPU, {precision}"] = trains_as_the_cpu(precision, None)
    for layout in get_args(Layout):
        found[f"training, layout {layout}, fp32"] = trains_as_the_cpu("fp32", layout)
    for precision in get_args(TrainingPrecision):
        found[f"log probabilities, {precision}"] = decodes_as_the_cpu(precision)
    return found | {
        "translations": lines_are_the_cpu_s,
        "translations in company and alone": company_changes_nothing,
        "resume, with dropout": resumes_exactly,
        "lack of memory": recovers_from_lack_of_memory,
        "a killed process": survives_a_killed_rank,
    }
