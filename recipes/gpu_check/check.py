"""Check s2s on the GPUs of this machine, and write RESULTS.md."""

import argparse
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from checks import all_checks
from machine import QUICK, Failed, Machine, Sizes, Skipped, number_phrases
from speeds import all_speeds

sys.path.insert(0, str(Path(__file__).parents[1]))
from pages import format_facts, format_page, format_section, format_table
from results import commit, installed, processor

NOT_RUN = "not run"
CHECKS = """Small models on number phrases. Training: the largest difference of weights after four
updates to those of the CPU in fp32, over the largest weight. Log probabilities: the largest
difference to the CPU's of the test text's sentences, in fp32 there."""


@dataclass(frozen=True)
class Row:
    """A line of a table: cells behind the name."""

    name: str
    verdict: str
    cells: tuple[str, str] = ("", "")


def main() -> None:
    """Run all, write the page, and end with 1 if a check has failed."""
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__)
    parser.add_argument("gpus", nargs="?", type=int, help="how many GPUs; all of this machine's")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it works")
    parser.add_argument("--work", type=Path, default=Path("work"), help="directory for all else")
    parser.add_argument("--page", type=Path, default=Path("RESULTS.md"), help="what is written")
    parser.add_argument("--only", default="", help="those whose name begins so")
    parser.add_argument("--not-run", action="store_true", help="only write the page of no run")
    given = parser.parse_args()
    if given.not_run:
        given.page.write_text(page({NOT_RUN: "nobody has run it yet"}, *not_run()))
        return
    count = given.gpus or torch.cuda.device_count()
    if not torch.cuda.is_available() or torch.cuda.device_count() < count:
        raise SystemExit(
            f"run.sh: torch sees {torch.cuda.device_count()} GPUs here, and {count or 1} are to be "
            "checked; install a build of torch for CUDA (docs/install.md)"
        )
    shutil.rmtree(given.work, ignore_errors=True)
    given.work.mkdir(parents=True)
    machine = Machine(given.work.resolve(), count, QUICK if given.quick else Sizes())
    begin = time.monotonic()
    number_phrases(machine)
    checks, speeds = (
        [run(name, each, machine) for name, each in named if name.startswith(given.only)]
        for named in (all_checks().items(), all_speeds())
    )
    facts = {**told(machine), "time": f"{(time.monotonic() - begin) / 60:.0f} min"}
    given.page.write_text(page(facts, checks, speeds))
    if failed := [row.name for row in [*checks, *speeds] if row.verdict == "FAILED"]:
        raise SystemExit(f"run.sh: {len(failed)} failed: {'; '.join(failed)}")


def run(name: str, check: Callable[[Machine], tuple[str, str]], machine: Machine) -> Row:
    """Run one check and say how it ended; the others go on whatever happens."""
    try:
        row = Row(name, "passed", check(machine))
    except Skipped as reason:
        row = Row(name, "skipped", (str(reason), ""))
    except Failed as reason:
        row = Row(name, "FAILED", (str(reason), ""))
    except Exception as error:  # a check that breaks is a finding, too
        row = Row(name, "FAILED", (f"{type(error).__name__}: {error}", ""))
    print(f"{row.verdict:8}{row.name}: {', '.join(filter(None, row.cells))}", flush=True)
    return row


def not_run() -> tuple[list[Row], list[Row]]:
    """The rows of a page that nobody has made."""
    names = list(all_checks()), [name for name, _ in all_speeds()]
    checks, speeds = ([Row(name, NOT_RUN) for name in each] for each in names)
    return checks, speeds


def told(machine: Machine) -> dict[str, str]:
    """Hardware and versions."""
    devices = [torch.cuda.get_device_name(each) for each in range(machine.gpus)]
    libraries = {
        "CUDA": torch.version.cuda,
        "cuDNN": torch.backends.cudnn.version(),
        "NCCL": ".".join(map(str, torch.cuda.nccl.version())) if torch.version.cuda else None,
    }
    known = ", ".join(f"{name} {value}" for name, value in libraries.items() if value)
    return {
        "command": "`recipes/gpu_check/run.sh`",
        "GPUs": ", ".join(f"{devices.count(each)} × {each}" for each in dict.fromkeys(devices)),
        "hardware": f"{processor()}, {os.cpu_count()} cores",
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d"),
        "versions": f"s2s {installed('s2s-cli')}, Python {platform.python_version()}, torch "
        f"{torch.__version__}{known and ', '}{known}",
    }


def page(facts: dict[str, str], checks: Sequence[Row], speeds: Sequence[Row]) -> str:
    sizes = Sizes()
    speed = (
        f"{sizes.layers} layers of {sizes.width} cells, {sizes.words[0]:,} and {sizes.words[1]:,} "
        f"words, {sizes.batch} pairs an update, random words, {sizes.length} a sentence. Memory is "
        "what torch reserved on the fullest GPU."
    )
    return format_page(
        "GPU check",
        "run.sh",
        format_facts(facts),
        [
            format_section("Is it right?", CHECKS.replace("\n", " "), table(checks, "bound")),
            format_section("How fast is it?", speed, table(speeds, "GiB")),
        ],
    )


def table(rows: Sequence[Row], last: str) -> str:
    return format_table([("", "", "measured", last), *cells(rows)])


def cells(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    for row in rows:
        yield row.name, row.verdict, *row.cells


if __name__ == "__main__":
    main()
