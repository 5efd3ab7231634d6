"""The log of a training: a row for each window of updates, and a line for each validation.

Rows stand under a heading, which `Log` repeats; a row has at most 80 characters, whatever its
numbers are.
"""

import math
import textwrap
from collections.abc import Iterator, Sequence
from typing import assert_never
from unicodedata import east_asian_width

from s2s_cli.console import COLUMNS, fitted, readable, say, say_folded, warn
from s2s_cli.training.config import BestBy
from s2s_cli.training.losses import has_diverged
from s2s_cli.training.metrics import ValidationMetrics, WindowMetrics
from s2s_cli.training.validation import Quality, Sample

UPDATE_WIDTH = 16
# Titles and widths of the columns behind that of the update.
TITLES = {
    "epoch": 7, "loss": 7, "ppl": 8, "rate": 8, "norm": 7, "words/s": 8, "left": 11,
}  # fmt: skip
# Rows below one heading.
ROWS_PER_HEADING = 20
# The texts of a sample stand behind their titles, on so many lines at most.
SAMPLE_INDENT = 14
LINES_OF_TEXT = 5
# Whose exponential is still a number.
LARGEST_LOSS = 700.0


class Log:
    """The lines of one run."""

    def __init__(self, best_by: BestBy = "perplexity") -> None:
        """Compare validations by ``best_by``."""
        self._best_by: BestBy = best_by
        self._rows = 0

    def window(self, metrics: WindowMetrics, left: str) -> None:
        """Print the row on the updates since the last one; ``left`` is the time to the end."""
        if self._rows % ROWS_PER_HEADING == 0:
            say(column_titles())
        self._rows += 1
        say(row(metrics, left))

    def validation(
        self, metrics: ValidationMetrics, unit: str, best: Quality | None, words: int
    ) -> None:
        """Print the line on a validation; the next row has a heading.

        Args:
            metrics: of it.
            unit: of its perplexity, where it is not words.
            best: the one that it is not better than; None where it is the best so far.
            words: of the target vocabulary.
        """
        self._rows = 0
        diverged = has_diverged(metrics.validation_perplexity, words)
        compared = "best so far" if best is None else self.best(best)
        say_folded(validation(metrics, unit, "diverged" if diverged else compared))
        if diverged:
            warn(
                f"the training has diverged: guessing has a perplexity of {words:,}; train anew "
                "with a lower --learning-rate"
            )

    def best(self, best: Quality) -> str:
        """Say what a validation is compared with."""
        match self._best_by:
            case "perplexity":
                return f"best {readable(best.perplexity, 3)}"
            case "bleu":
                return f"best BLEU {best.bleu:.2f}"
            case _:
                assert_never(self._best_by)

    def samples(self, samples: Sequence[Sample]) -> None:
        """Print sentences with their translations."""
        for sample in samples:
            for line in sample_lines(sample):
                say(line)


def column_titles() -> str:
    """The heading of the columns."""
    titles = " ".join(f"{title:>{width}}" for title, width in TITLES.items())
    return f"{'':{UPDATE_WIDTH}} {titles}"


def row(metrics: WindowMetrics, left: str) -> str:
    """The row on a window of updates; ``left`` is the time to the end."""
    loss = metrics.loss
    values = {
        "epoch": fitted(metrics.epoch, TITLES["epoch"], 2),
        "loss": fitted(loss, TITLES["loss"], 4),
        "ppl": fitted(math.exp(loss) if loss < LARGEST_LOSS else math.inf, TITLES["ppl"], 2),
        "rate": f"{metrics.learning_rate:.3g}",
        "norm": fitted(metrics.gradient_norm, TITLES["norm"], 2),
        "words/s": fitted(metrics.words_per_second, TITLES["words/s"], 0),
        "left": left,
    }
    cells = " ".join(f"{values[title]:>{width}}" for title, width in TITLES.items())
    return f"{numbered_update(metrics.update):{UPDATE_WIDTH}} {cells}"


def numbered_update(update: int) -> str:
    """The beginning of a line; a number too long for the column has no commas."""
    text = f"update {update:,}"
    return text if len(text) <= UPDATE_WIDTH else f"update {update}"


def validation(metrics: ValidationMetrics, unit: str, compared: str) -> str:
    """The line on a validation; ``unit`` is that of its perplexity, where it is not words."""
    found = readable(metrics.validation_perplexity, 3)
    bleu = "" if metrics.validation_bleu is None else f"  BLEU {metrics.validation_bleu:.2f}"
    update = numbered_update(metrics.update)
    return f"{update}  validation perplexity {found}{unit}{bleu}  ({compared})"


def sample_lines(sample: Sample) -> Iterator[str]:
    """The lines on a sample, folded, each text cut after `LINES_OF_TEXT`."""
    for title in ("source", "reference", "hypothesis"):
        text = getattr(sample, title)
        # Characters of East Asian scripts are two columns wide.
        wide = any(east_asian_width(each) in "WF" for each in text)
        width = (COLUMNS - SAMPLE_INDENT) // (2 if wide else 1)
        folded = textwrap.wrap(text, width, max_lines=LINES_OF_TEXT, placeholder=" …")
        for place, line in enumerate(folded or ["(empty)"]):
            yield f"  {'' if place else title.capitalize():{SAMPLE_INDENT - 2}}{line}"
