"""Write RESULTS.md of a recipe from its result files, and print its tables.

Runs in the recipe's directory. tables.toml says which rows there are; each row names a hypothesis
file and the JSON that ``s2s score`` wrote beside it (work/NAME.fr and work/NAME.json).
"""

import argparse
import json
import os
import platform
import subprocess
import time
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

WORK = Path("work")
DONE = WORK / ".done"
Row = list[str]


def table(spec: dict[str, Any], reference: list[str]) -> str:
    """One table in Markdown, its columns even for reading as plain text."""
    results = [json.loads((WORK / f"{row['result']}.json").read_bytes()) for row in spec["rows"]]
    scores = [result["scores"] for result in results]
    metrics = list(scores[0])
    names = [scores[0][metric]["name"] for metric in metrics]
    rows = [["", "exact match", *names, "BLEU in the paper (WMT'14)"]]
    for row, score in zip(spec["rows"], scores, strict=True):
        exact = exact_match(WORK / f"{row['result']}.fr", reference)
        cells = [number(score[metric]) for metric in metrics]
        rows.append([row["label"], f"{exact:.1f} %", *cells, f"{row.get('paper', '')}"])
    signatures = [f"- {scores[0][m]['name']}: `{scores[0][m]['signature']}`" for m in metrics]
    return "\n".join([f"## {spec['title']}", "", *aligned(rows), "", *signatures, ""])


def exact_match(hypotheses: Path, reference: list[str]) -> float:
    """Percentage of lines that equal the reference to the byte."""
    lines = read_lines(hypotheses)
    pairs = zip(lines, reference, strict=True)
    return 100 * sum(line == wanted for line, wanted in pairs) / len(reference)


def read_lines(path: Path) -> list[str]:
    return path.read_bytes().decode().removesuffix("\n").split("\n")


def number(score: dict[str, Any]) -> str:
    """A score with two decimals, with its interval where there is one."""
    if score["low"] is None:
        return f"{score['value']:.2f}"
    return f"{score['value']:.2f} [{score['low']:.2f}, {score['high']:.2f}]"


def aligned(rows: list[Row]) -> list[str]:
    """A Markdown table; the first column reads from the left, numbers stand at the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        first, *others = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("| " + " | ".join([first, *(c.strip().rjust(len(c)) for c in others)]) + " |")
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return [lines[0], "| " + " | ".join(rule) + " |", *lines[1:]]


def origin(command: str, stages: list[str]) -> str:
    """How the numbers were made: command, commit, machine, date, versions, time."""
    seconds = {name: int((DONE / name).read_text()) for name in stages}
    spent = ", ".join(f"{name} {took} s" for name, took in seconds.items())
    packages = ", ".join(f"{name} {installed(name)}" for name in ("torch", "sacrebleu"))
    facts = {
        "command": f"`{command}`",
        "commit": commit(),
        "hardware": f"{processor()}, {os.cpu_count()} cores, {platform.system()}",
        "date": time.strftime("%Y-%m-%d"),
        "versions": f"s2s {installed('s2s-cli')}, Python {platform.python_version()}, {packages}",
        "time": f"{sum(seconds.values())} s in all: {spent}",
    }
    return "\n".join(f"- {name}: {value}" for name, value in facts.items())


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def commit() -> str:
    """The short commit, with a word where the code differs from it (RESULTS.md may differ)."""
    head = git("rev-parse", "--short", "HEAD")
    if head is None:
        return "unknown"
    changed = git("status", "--porcelain", "--", ":/", ":(top,exclude,glob)recipes/*/RESULTS.md")
    return f"{head} with local changes" if changed else head


def git(*arguments: str) -> str | None:
    """What ``git ARGUMENTS`` prints; None without git, outside a clone, before the first commit."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def processor() -> str:
    """The CPU's model where the system tells it, its architecture otherwise."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(errors="replace").split("\n") if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description="Write RESULTS.md and print the tables.")
    parser.add_argument("--reference", type=Path, required=True, help="reference of the test set")
    parser.add_argument("stages", nargs="+", help="finished stages whose time is told")
    given = parser.parse_args()
    settings = tomllib.loads(Path("tables.toml").read_text(encoding="utf-8"))
    reference = read_lines(given.reference)
    tables = "\n".join(table(spec, reference) for spec in settings["table"])
    head = f"# {settings['title']}\n\nMade by `run.sh`; not edited by hand.\n\n"
    page = f"{head}{origin(settings['command'], given.stages)}\n\n{tables}"
    Path("RESULTS.md").write_text(page, encoding="utf-8")
    print(tables)


if __name__ == "__main__":
    main()
