"""Write RESULTS.md of a recipe from its result files.

Runs in the recipe's directory. tables.toml says which tables and rows there are, after those of the
files that it names as ``also``. A row may have

- ``result`` NAME: work/NAME.json is what ``s2s score`` printed; with ``--baseline`` it tells the
  difference to the row above. Where the table has a ``baseline`` B, work/NAME.against-B.json tells
  the difference to that; it is not there for the row below B.
- ``models`` NAME: work/NAME.json has the perplexity of the models that made the row
- ``time`` FILE: what its making took (work/FILE.seconds)
- ``model`` NAME: the directory work/NAME, whose training is told; the row's ``data``, or the
  table's, is the directory that it was trained on
- ``first`` true: it is compared with no row, though the JSON compares it
- ``paper``: a figure of the literature

A table with a ``reference`` shows the exact matches of the translations beside the JSON
(work/NAME.fr). A row whose JSON is not there has not been run, and says so; one without a result is
from the literature. A table with ``tsv`` FILE, and no rows, shows that file, which lies beside the
page. A ``figure`` is a picture beside the page, a ``text`` a file of Markdown there. The
``baseline`` of a table may also be several, with the heading of each one's column. A ``note`` of
the page is a sentence at its head.
"""

import argparse
import json
import os
import platform
import subprocess
import time
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from typing import Any

from pages import format_facts, format_page, format_section, format_table

# What the tables show of the scores; the JSON files have the others.
BLEU = {"bleu-tokenised": "BLEU (tokenised)", "bleu-detokenised": "BLEU (detokenised)"}
SHOWN = {**BLEU, "perplexity": "perplexity"}
COMPARED = "bleu-tokenised"
NOT_RUN = "not run"
# Of a processor: how it is told from others of its name; and its units for products, by the flags
# of Linux.
FAMILY = {"family": "cpu family", "model": "model"}
UNITS = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_bf16": "bf16",
    "avx512_vnni": "VNNI",
    "amx_tile": "AMX",
}
PAPER = "BLEU in the paper"
Spec = dict[str, Any]


def make_page(settings: Spec, made: str, work: Path, folder: Path) -> str:
    """The whole page: title, how it was made, tables, how metrics were counted, figures."""
    specs = list(all_tables(settings))
    tables = [format_section(spec["title"], make_table(spec, work, folder)) for spec in specs]
    notes = "\n".join(dict.fromkeys(note for spec in specs for note in metric_notes(spec, work)))
    texts = [text_section(spec, folder) for spec in settings.get("text", [])]
    figures = [figure_section(spec, folder) for spec in settings.get("figure", [])]
    script = Path(settings["command"]).name
    parts = [*tables, notes, *texts, *figures]
    return format_page(settings["title"], script, made, parts, note=settings.get("note", ""))


def all_tables(settings: Spec) -> Iterator[Spec]:
    for path in settings.get("also", []):
        yield from all_tables(tomllib.loads(Path(path).read_text(encoding="utf-8")))
    yield from settings.get("table", [])


def make_table(spec: Spec, work: Path, folder: Path) -> str:
    """A table of rows, or of a file whose first line is its header."""
    if "tsv" not in spec:
        return make_row_table(spec, work)
    path = folder / spec["tsv"]
    if not path.exists():
        return NOT_RUN
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return format_table([line.split("\t") for line in lines])


def make_row_table(spec: Spec, work: Path) -> str:
    """A table of the rows of ``spec``.

    A column in which no row has anything is left out; where nothing has been run, BLEU stays.
    """
    rows = [Row(row, spec, work) for row in spec["rows"]]
    kept = {name for row in rows for name in row.cells if row.cells[name]}
    measured = kept - {PAPER} or set(BLEU.values())
    names = [name for name in rows[0].cells if name in kept | measured]
    lines = [["", *names]]
    for row in rows:
        missing = "" if row.ran else NOT_RUN
        told = {name: row.cells[name] or missing for name in measured}
        lines.append([row.label, *((row.cells | told)[name] for name in names)])
    return format_table(lines)


class Row:
    """Cells of a row under the names of their columns, empty where it has nothing to say.

    Attributes:
        label: its first cell.
        ran: whether its scores are there, or need not be.
        cells: the others.
    """

    def __init__(self, row: Spec, spec: Spec, work: Path) -> None:
        result = row.get("result", "")
        document = read_json(work / f"{result}.json")
        self.label, self.ran = row["label"], not result or bool(document)
        scores = document.get("scores", {})
        if document and "models" in row:
            models = read_json(work / f"{row['models']}.json").get("scores", {})
            scores["perplexity"] = models.get("perplexity")
        self.cells: dict[str, str] = {}
        if "reference" in spec:
            self.cells["exact match"] = ""
        if "reference" in spec and document:
            share = exact_match(work / f"{result}.fr", Path(spec["reference"]))
            self.cells["exact match"] = f"{share:.1f} %"
        self.cells |= {SHOWN[each]: format_score(scores.get(each)) for each in SHOWN}
        if row.get("first"):
            document = {}
        self.cells["to the row above (p)"] = format_difference(document)
        for other, heading in baselines(spec).items():
            beside = read_json(work / f"{result}.against-{other}.json")
            self.cells[heading] = format_difference(beside or document)
        self.cells |= training_cells(work, row if self.ran else {}, spec)
        self.cells["time"] = format_seconds(work / f"{row.get('time')}.seconds")
        self.cells[PAPER] = row.get("paper", "")


def baselines(spec: Spec) -> dict[str, str]:
    """The results that all rows of a table are compared with, and the headings of their columns."""
    given = spec.get("baseline", {})
    return {given: f"to the {given} (p)"} if isinstance(given, str) else dict(given)


def read_json(path: Path) -> dict[str, Any]:
    """Read the object in a file; an empty one where there is no file."""
    return dict(json.loads(path.read_bytes())) if path.exists() else {}


def format_difference(document: dict[str, Any]) -> str:
    """Format the difference in tokenised BLEU to a result's baseline, with both p-values."""
    if "baseline" not in document:
        return ""
    told = document["baseline"][COMPARED]
    return f"{told['difference']:+.2f} ({told['bootstrap_p']:.3f}, {told['randomisation_p']:.4f})"


def format_seconds(path: Path) -> str:
    return f"{int(path.read_text()):,} s" if path.exists() else ""


def training_cells(work: Path, row: Spec, spec: Spec) -> dict[str, str]:
    """Cells from the metrics of the row's model: the best validation, the time of all updates."""
    names = ("validation perplexity", "best at epoch", "epochs", "words/s", "training")
    log = work / row.get("model", "") / "metrics.jsonl"
    if "model" not in row or not log.exists():
        return dict.fromkeys(names, "") if "data" in spec else {}
    data = str(row.get("data", spec["data"]))
    split = read_json(work / data / "prep.json")["splits"]["train"]
    words = sum(split.get("pieces", split["words"]).values())  # what the log counts
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    validations = [line for line in lines if "validation_perplexity" in line]
    best = min(validations, key=lambda line: line["validation_perplexity"])
    windows = [line for line in lines if "words_per_second" in line]
    spent = sum(
        (line["epoch"] - before["epoch"]) * words / line["words_per_second"]
        for before, line in pairwise([{"epoch": 0.0}, *windows])
    )
    speed = windows[-1]["epoch"] * words / spent if windows else 0.0
    told = (
        *(f"{best['validation_perplexity']:.3f}", f"{best['epoch']:.1f}"),
        *(f"{validations[-1]['epoch']:.1f}", f"{speed:,.0f}", f"{spent / 60:.0f} min"),
    )
    return dict(zip(names, told, strict=True))


def metric_notes(spec: Spec, work: Path) -> Iterator[str]:
    """Notes on the metrics of a table: how they were counted, and what stands in brackets."""
    documents = [read_json(work / f"{row.get('result')}.json") for row in spec.get("rows", [])]
    shown = [
        each["scores"][metric]
        for each in documents
        for metric in SHOWN
        if metric in each.get("scores", {})
    ]
    if any(score["low"] is not None for score in shown):
        yield "- in square brackets: the 95 % interval, by bootstrap"
    if any("baseline" in each for each in documents):
        yield (
            "- difference to a row, and p: in tokenised BLEU; p by paired bootstrap, and by "
            "approximate randomisation"
        )
    for score in shown:
        yield f"- {score['name']}: `{score['signature']}`"


def text_section(spec: Spec, folder: Path) -> str:
    """A file of Markdown under its title, with the command that made it."""
    path = folder / spec["file"]
    if not path.exists():
        return format_section(spec["title"], f"{NOT_RUN}: `{spec['command']}`")
    told = path.read_text(encoding="utf-8").strip()
    return format_section(spec["title"], told, f"`{spec['command']}`")


def figure_section(spec: Spec, folder: Path) -> str:
    """A picture under its title, with its data and the command that made it."""
    if not (folder / spec["file"]).exists():
        return format_section(spec["title"], f"{NOT_RUN}: `{spec['command']}`")
    data = f"[data]({Path(spec['file']).with_suffix('.tsv')})"
    picture = f"![{spec['title']}]({spec['file']})"
    return format_section(spec["title"], picture, f"`{spec['command']}`, {data}")


def exact_match(hypotheses: Path, reference: Path) -> float:
    """Percentage of lines that equal the reference to the byte."""
    lines, wanted = (path.read_bytes().split(b"\n")[:-1] for path in (hypotheses, reference))
    return 100 * sum(a == b for a, b in zip(lines, wanted, strict=True)) / len(wanted)


def format_score(score: dict[str, Any] | None) -> str:
    """Format a score with two decimals, and its interval where there is one."""
    if score is None:
        return ""
    if score["low"] is None:
        return f"{score['value']:.2f}"
    return f"{score['value']:.2f} [{score['low']:.2f}, {score['high']:.2f}]"


def has_results(settings: Spec, work: Path) -> bool:
    """Return whether any row has been run."""
    rows = (row for spec in all_tables(settings) for row in spec.get("rows", []))
    return any((work / f"{row['result']}.json").exists() for row in rows if "result" in row)


def origin_facts(command: str, stages: list[str], work: Path, *, ran: bool) -> str:
    """Facts on how the numbers were made: command, commit, machine, date, versions, time.

    Where no stage is done, though rows have ``ran``, commands were run by hand: no time was taken.
    """
    paths = {name: stage_file(work, ".done", name) for name in stages}
    seconds = {name: int(path.read_text()) for name, path in paths.items() if path.exists()}
    if not seconds and not ran:
        return f"- command: `{command}`\n- nobody has run it yet"
    spent = ", ".join(f"{name} {took} s" for name, took in seconds.items())
    packages = ", ".join(f"{name} {installed(name)}" for name in ("torch", "sacrebleu"))
    facts = {
        "command": f"`{command}`",
        "commit": commits(work, list(seconds)),
        "hardware": ", ".join([processor(), f"{os.cpu_count()} cores", *gpus()]),
        "date": time.strftime("%Y-%m-%d"),
        "versions": f"s2s {installed('s2s-cli')}, Python {platform.python_version()}, {packages}",
        "time": f"{format_total(sum(seconds.values()))} in all: {spent}"
        if seconds
        else "not taken",
    }
    return format_facts(facts)


def stage_file(work: Path, kind: str, stage: str) -> Path:
    """What lib.sh notes of a stage; one of another directory below ``work`` is DIRECTORY/STAGE."""
    return work / Path(stage).parent / kind / Path(stage).name


def format_total(seconds: int) -> str:
    return f"{seconds} s" if seconds < 3600 else f"{seconds} s ({seconds / 3600:.1f} hours)"


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def commits(work: Path, stages: list[str]) -> str:
    """The commit; where stages were made from others, also those."""
    now = commit()
    others: dict[str, list[str]] = {}
    for name in stages:
        path = stage_file(work, ".commits", name)
        made_from = path.read_text().strip() if path.exists() else ""
        if made_from and not now.startswith(made_from):
            others.setdefault(made_from, []).append(name)
    return "; ".join([now, *(f"{', '.join(names)} {each}" for each, names in others.items())])


def commit() -> str:
    """The short commit, with a word where the code differs from it (a page may differ)."""
    head = output_of("git", "rev-parse", "--short", "HEAD")
    if not head:
        return "unknown"
    others = (":/", ":(top,exclude,glob)recipes/*/*.md")
    return f"{head} with local changes" if output_of("git", "status", "-s", "--", *others) else head


def gpus() -> list[str]:
    names = output_of("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    return names.split("\n") if names else []


def output_of(*command: str) -> str:
    """Run a command for what it prints; "" where there is no such command, or it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The CPU's name, family, model and vector units where the system tells them.

    Otherwise its architecture. A cloud's processors of several generations may have one name.
    """
    lines = cpuinfo.read_text(errors="replace").split("\n") if cpuinfo.exists() else []
    facts = {
        key.strip(): value.strip() for key, _, value in (each.partition(":") for each in lines)
    }
    if "model name" not in facts:
        return platform.processor() or platform.machine()
    numbers = [f"{key} {facts[name]}" for key, name in FAMILY.items() if name in facts]
    units = [name for flag, name in UNITS.items() if flag in facts.get("flags", "").split()]
    told = "; ".join(filter(None, [", ".join(numbers), " ".join(units)]))
    return facts["model name"] + (f" ({told})" if told else "")


def main() -> None:
    parser = argparse.ArgumentParser(description="Write RESULTS.md of a recipe.")
    parser.add_argument("stages", nargs="+", help="finished stages whose time is told")
    parser.add_argument("--tables", type=Path, default=Path("tables.toml"), help="rows of the page")
    parser.add_argument("--work", type=Path, default=Path("work"), help="(default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("RESULTS.md"), help="page to write")
    parser.add_argument("--command", help="that made them, instead of that of tables.toml")
    given = parser.parse_args()
    settings = tomllib.loads(given.tables.read_text(encoding="utf-8"))
    ran = has_results(settings, given.work)
    made = origin_facts(given.command or settings["command"], given.stages, given.work, ran=ran)
    page = make_page(settings, made, given.work, given.output.parent)
    given.output.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
