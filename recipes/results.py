"""Write RESULTS.md of a recipe from its result files.

Runs in the recipe's directory. tables.toml says which rows there are; the ``result`` NAME of a
row is the JSON that ``s2s score`` printed (work/NAME.json). A table with a reference also shows
the exact matches of the translations beside the JSON (work/NAME.fr). A row whose JSON is not
there has not been run, and says so; one without a result is from the literature.
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

# What the tables show of the scores; the JSON files have the others.
SHOWN = {
    "bleu-tokenised": "BLEU (tokenised)",
    "bleu-detokenised": "BLEU (detokenised)",
    "perplexity": "perplexity",
}
NOT_RUN = "not run"
Scores = dict[str, dict[str, Any]]


def tables(settings: dict[str, Any], work: Path) -> str:
    """Every table, and below them how each metric was counted."""
    signatures: dict[str, None] = {}
    parts = []
    for spec in settings["table"]:
        results = [read_scores(row, work) for row in spec["rows"]]
        parts.append(f"## {spec['title']}\n\n{table(spec, results, work)}\n")
        signatures |= {
            f"- {each['name']}: `{each['signature']}`": None
            for scores in results
            for each in scores.values()
        }
    return "\n".join([*parts, *signatures])


def read_scores(row: dict[str, str], work: Path) -> Scores:
    """The metrics to show of one row, in their order; none where it has not been run."""
    path = work / f"{row.get('result')}.json"
    if "result" not in row or not path.exists():
        return {}
    scores = json.loads(path.read_bytes())["scores"]
    return {metric: scores[metric] for metric in SHOWN if metric in scores}


def table(spec: dict[str, Any], results: list[Scores], work: Path) -> str:
    """One table in Markdown, its columns even for reading as plain text."""
    reference, paper = spec.get("reference"), any("paper" in row for row in spec["rows"])
    metrics = [metric for metric in SHOWN if any(metric in scores for scores in results)]
    metrics = metrics or list(SHOWN)[:2]
    names = [SHOWN[metric] for metric in metrics]
    lines = [["", *(["exact match"] * bool(reference)), *names, *(["BLEU in the paper"] * paper)]]
    for row, scores in zip(spec["rows"], results, strict=True):
        missing = NOT_RUN if "result" in row and not scores else ""
        cells = [number(scores[each]) if each in scores else missing for each in metrics]
        if reference:
            cells.insert(0, missing)
        if reference and scores:
            share = exact_match(work / f"{row['result']}.fr", Path(reference))
            cells[0] = f"{share:.1f} %"
        lines.append([row["label"], *cells, *([row.get("paper", "")] * paper)])
    return "\n".join(aligned(lines))


def exact_match(hypotheses: Path, reference: Path) -> float:
    """Percentage of lines that equal the reference to the byte."""
    lines, wanted = (path.read_bytes().split(b"\n")[:-1] for path in (hypotheses, reference))
    return 100 * sum(a == b for a, b in zip(lines, wanted, strict=True)) / len(wanted)


def number(score: dict[str, Any]) -> str:
    """A score with two decimals, with its interval where there is one."""
    if score["low"] is None:
        return f"{score['value']:.2f}"
    return f"{score['value']:.2f} [{score['low']:.2f}, {score['high']:.2f}]"


def aligned(rows: list[list[str]]) -> list[str]:
    """A Markdown table; the first column reads from the left, numbers stand at the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        first, *others = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("| " + " | ".join([first, *(c.strip().rjust(len(c)) for c in others)]) + " |")
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return [lines[0], "| " + " | ".join(rule) + " |", *lines[1:]]


def origin(command: str, stages: list[str], work: Path) -> str:
    """How the numbers were made: command, commit, machine, date, versions, time."""
    paths = [work / ".done" / name for name in stages]
    seconds = {path.name: int(path.read_text()) for path in paths if path.exists()}
    if not seconds:
        return f"- command: `{command}`\n- nobody has run it yet"
    spent = ", ".join(f"{name} {took} s" for name, took in seconds.items())
    packages = ", ".join(f"{name} {installed(name)}" for name in ("torch", "sacrebleu"))
    facts = {
        "command": f"`{command}`",
        "commit": commit(),
        "hardware": ", ".join([processor(), f"{os.cpu_count()} cores", *gpus()]),
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
    head = output_of("git", "rev-parse", "--short", "HEAD")
    if not head:
        return "unknown"
    others = (":/", ":(top,exclude,glob)recipes/*/RESULTS.md")
    return f"{head} with local changes" if output_of("git", "status", "-s", "--", *others) else head


def gpus() -> list[str]:
    names = output_of("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    return names.split("\n") if names else []


def output_of(*command: str) -> str:
    """What the command prints; nothing where there is no such command, or it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def processor() -> str:
    """The CPU's model where the system tells it, its architecture otherwise."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(errors="replace").split("\n") if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description="Write RESULTS.md of a recipe.")
    parser.add_argument("stages", nargs="+", help="finished stages whose time is told")
    parser.add_argument("--work", type=Path, default=Path("work"), help="(default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("RESULTS.md"), help="page to write")
    parser.add_argument("--command", help="that made them, instead of that of tables.toml")
    given = parser.parse_args()
    settings = tomllib.loads(Path("tables.toml").read_text(encoding="utf-8"))
    made = origin(given.command or settings["command"], given.stages, given.work)
    head = f"# {settings['title']}\n\nWritten by `run.sh`, not by hand."
    page = f"{head}\n\n{made}\n\n{tables(settings, given.work)}\n"
    given.output.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
