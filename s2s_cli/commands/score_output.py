"""Output of ``s2s score``: a line or one object of all scores, a table, a line for each line."""

from collections.abc import Mapping
from dataclasses import asdict
from json import dumps
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s2s_cli.console import readable
from s2s_cli.files import as_text, name_of
from s2s_cli.scoring.metrics import Metric, Score, TextMetric

if TYPE_CHECKING:
    from s2s_cli.scoring.significance import Comparison

# The columns of the scores of lines, by their names, N values each.
Columns = Mapping[str, list[float]]


def print_scores(
    scores: dict[Metric, Score],
    lines: int,
    bare: Metric | None,
    json: bool,
    comparisons: "dict[TextMetric, Comparison]",
) -> None:
    """Print a line for each score; or one number; or one object."""
    if bare:
        print(readable(scores[bare].value, 2))
    elif json:
        print(as_json(scores, lines, comparisons))
    else:
        for each in scores.values():
            print(as_line(each))
        for comparison in comparisons.values():
            print(comparison_line(comparison))


def print_columns(columns: Columns, json: bool) -> None:
    """Print a line for each line of text: its values between tabs, or one object."""
    for values in zip(*columns.values(), strict=True):
        row = dict(zip(columns, values, strict=True))
        if json:
            print(dumps(row, allow_nan=False))
        else:
            print("\t".join(cell(name, value) for name, value in row.items()))


def cell(name: str, value: float) -> str:
    """Write a value of a column: words as whole numbers, log probabilities as lists have them."""
    from s2s_cli.text.nbest import format_number

    match name:
        case "length" | "reference_length":
            return str(value)
        case "log-probability":
            return format_number(value)
        case _:
            return f"{value:.2f}"


def print_systems(systems: dict[Path, dict[TextMetric, Score]], json: bool) -> None:
    """Print a row for each output, and each metric's signature once; or one JSON object."""
    if json:
        entries = {as_text(path): score_entries(each) for path, each in systems.items()}
        print(dumps({"systems": entries}, allow_nan=False))
        return
    (first, *_) = systems.values()
    # Short, for 80 columns: the names in full stand before the signatures.
    names = [score.name.replace("tokenised", "tok.") for score in first.values()]
    rows = [["", *names, "BP", "ratio"]]
    for path, scores in systems.items():
        parts = scores["bleu-tokenised"].parts
        assert parts is not None
        lengths = f"{parts.brevity_penalty:.3f}", f"{parts.length_ratio:.3f}"
        rows.append([name_of(path), *map(value_with_interval, scores.values()), *lengths])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *cells in rows:
        padded = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        print("  ".join([name.ljust(widths[0]), *padded]).rstrip())
    for score in first.values():
        print(f"{score.name}: {score.signature}")


def as_line(score: Score) -> str:
    parts = "" if score.parts is None else f" {score.parts}"
    return f"{score.name} = {value_with_interval(score)}{parts} {score.signature}"


def value_with_interval(score: Score) -> str:
    interval = "" if score.low is None else f" [{score.low:.2f}, {score.high:.2f}]"
    return f"{readable(score.value, 2)}{interval}"


def comparison_line(comparison: "Comparison") -> str:
    score, baseline = comparison.score, comparison.baseline
    if comparison.exact:
        lines = comparison.differing_lines
        randomisation = f"exact randomisation (all {comparison.trials} exchanges of {lines} lines)"
    else:
        randomisation = f"approximate randomisation (n = {comparison.trials})"
    return (
        f"{score.name}, difference to the baseline = {comparison.difference:+.2f} "
        f"({score.value:.2f} [{score.low:.2f}, {score.high:.2f}], "
        f"baseline {baseline.value:.2f} [{baseline.low:.2f}, {baseline.high:.2f}]), "
        f"p = {comparison.bootstrap_p:.4f} by paired bootstrap (n = {comparison.resamples}), "
        f"p = {comparison.randomisation_p:.4f} by {randomisation} {score.signature}"
    )


def as_json(
    scores: dict[Metric, Score], lines: int, comparisons: "dict[TextMetric, Comparison]"
) -> str:
    """Write one object: the number of lines, and under ``scores`` one object for each metric.

    Under ``baseline``, where there is one, the tests of the difference by each metric.
    """
    document: dict[str, object] = {"lines": lines, "scores": score_entries(scores)}
    if comparisons:
        document["baseline"] = {
            metric: {"difference": each.difference, **asdict(each)}
            for metric, each in comparisons.items()
        }
    return dumps(document, allow_nan=False)


def score_entries(scores: Mapping[Any, Score]) -> dict[str, dict[str, Any]]:
    """Make an object of each score, by its metric."""
    entries = {str(metric): asdict(score) for metric, score in scores.items()}
    for entry in entries.values():
        if not isfinite(entry["value"]):  # JSON has no word for infinity
            entry["value"] = None
    return entries
