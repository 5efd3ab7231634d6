"""The log of a training: a row for each window of updates, and a line for each validation.

Rows stand under a heading, which `Log` repeats; a row has at most 80 characters, whatever its
numbers are.
"""

import math

from s2s_cli.console import fitted, readable, say, say_folded, warn
from s2s_cli.training.losses import has_diverged
from s2s_cli.training.metrics import ValidationMetrics, WindowMetrics

UPDATE_WIDTH = 16
# Titles and widths of the columns behind that of the update.
TITLES = {
    "epoch": 7, "loss": 7, "ppl": 8, "rate": 8, "norm": 7, "words/s": 8, "left": 11,
}  # fmt: skip
# Rows below one heading.
ROWS_PER_HEADING = 20
# Whose exponential is still a number.
LARGEST_LOSS = 700.0


class Log:
    """The lines of one run."""

    def __init__(self) -> None:
        self._rows = 0

    def window(self, metrics: WindowMetrics, left: str) -> None:
        """Print the row on the updates since the last one; ``left`` is the time to the end."""
        if self._rows % ROWS_PER_HEADING == 0:
            say(column_titles())
        self._rows += 1
        say(row(metrics, left))

    def validation(
        self, metrics: ValidationMetrics, unit: str, best: float | None, words: int
    ) -> None:
        """Print the line on a validation; the next row has a heading.

        Args:
            metrics: of it.
            unit: of its perplexity, where it is not words.
            best: the perplexity that it is not below; None where it is the best so far.
            words: of the target vocabulary.
        """
        self._rows = 0
        diverged = has_diverged(metrics.validation_perplexity, words)
        compared = "best so far" if best is None else f"best {readable(best, 3)}"
        say_folded(validation(metrics, unit, "diverged" if diverged else compared))
        if diverged:
            warn(
                f"the training has diverged: guessing has a perplexity of {words:,}; train anew "
                "with a lower --learning-rate"
            )


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
    return f"{numbered_update(metrics.update)}  validation perplexity {found}{unit}  ({compared})"
