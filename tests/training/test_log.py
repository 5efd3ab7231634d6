"""The log of a training fits a terminal, whatever its numbers are."""

import dataclasses
import itertools
import math
from typing import Any

import pytest

from s2s_cli.console import fitted
from s2s_cli.training.log import Log, column_titles, row, sample_lines
from s2s_cli.training.metrics import ValidationMetrics, WindowMetrics
from s2s_cli.training.report import duration
from s2s_cli.training.validation import Quality, Sample

USUAL = WindowMetrics(12_500, 3.254, 2.34567, 0.35, 5.123, 0, 12_345.6)
# Of each field, from the smallest to the largest that a training can have, or that is no number.
EXTREMES = {
    "update": (1, 1_000_000_000),
    "epoch": (0.0, 1_000_000.0),
    "loss": (0.0, 1e300, math.nan),
    "learning_rate": (0.0, 1.234567e-300, 1000.0),
    "gradient_norm": (0.0, 1.23456e-30, 1e38, math.inf),
    "words_per_second": (0.1, 1e12),
}


def test_a_row_stands_under_its_heading() -> None:
    columns = ["epoch", "loss", "ppl", "rate", "norm", "words/s", "left"]
    shown = row(USUAL, "3 h 12 min")
    assert shown.split() == [
        *("update", "12,500", "3.25", "2.3457", "10.44", "0.35", "5.12", "12,346"),
        *("3", "h", "12", "min"),
    ]
    for title, value in zip(columns, [*shown.split()[2:8], "min"], strict=True):
        assert (
            column_titles().index(title) + len(title) == shown.index(f" {value}") + len(value) + 1
        )


@pytest.mark.parametrize("field", EXTREMES)
def test_extreme_numbers_fit(field: str) -> None:
    lefts = map(duration, (0.4, 3599, 48 * 3600 - 1, 1e9, 1e30))
    for value, left in itertools.product(EXTREMES[field], lefts):
        changed: Any = {field: value}
        shown = row(dataclasses.replace(USUAL, **changed), left)
        assert len(shown) <= 80
        assert len(shown.replace(left, left.replace(" ", "")).split()) == 9


def test_a_heading_comes_after_each_validation_and_every_few_rows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = Log()
    for _ in range(21):
        log.window(USUAL, "1 min")
    log.validation(ValidationMetrics(12_500, 3.25, 1e300), " per piece", Quality(1e299), 80_000)
    log.window(USUAL, "1 min")
    lines = capsys.readouterr().err.splitlines()
    assert [place for place, line in enumerate(lines) if line == column_titles()] == [0, 21, 25]
    assert all(len(line) <= 80 or line.startswith("warning: the training has") for line in lines)


def test_the_longest_lines_on_validations_fit(capsys: pytest.CaptureFixture[str]) -> None:
    found = ValidationMetrics(1_000_000_000, 1.0, 123_456_789.123, 99.999)
    for by in ("perplexity", "bleu"):
        Log(by).validation(found, " per piece", Quality(123_456_789.0, 100.0), 10**9)
    lines = capsys.readouterr().err.splitlines()
    assert max(map(len, lines)) <= 80
    assert "(best BLEU 100.00)" in " ".join(" ".join(lines).split())


def test_samples_are_folded_under_their_titles() -> None:
    long = " ".join(["word"] * 200)
    lines = list(sample_lines(Sample("In short.", "语" * 70, long)))
    assert lines[0] == "  Source      In short."
    assert lines[1] == "  Reference   " + "语" * 33
    assert lines[2] == " " * 14 + "语" * 33
    assert len(lines) == 1 + 3 + 5
    assert max(map(len, lines)) <= 80
    assert lines[-1].endswith("word …")
    assert list(sample_lines(Sample("a", "b", "")))[-1] == "  Hypothesis  (empty)"


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.23456, "1.23"), (1234.567, "1,234.6"), (123456.7, "123,457"), (1234567.8, "1.23e+06"),
     (-1e300, "-1e+300"), (math.inf, "inf")],
)  # fmt: skip
def test_a_number_is_fitted_into_its_column(value: float, text: str) -> None:
    assert fitted(value, 8 if "e" in text else 7, 2) == text
