"""TensorBoard: the metrics of a training as scalars, its sample translations as text.

``torch.utils.tensorboard`` writes the files, with the package tensorboard, an extra.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s2s_cli.console import warn
from s2s_cli.errors import UserError
from s2s_cli.installation import install_extra
from s2s_cli.training.metrics import Metrics
from s2s_cli.training.validation import Sample

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

EXTRA = "tensorboard"
# Fields of metrics, and the names under which TensorBoard shows them.
TAGS = {
    "loss": "training/loss",
    "learning_rate": "training/learning_rate",
    "gradient_norm": "training/gradient_norm",
    "skipped": "training/skipped_updates",
    "words_per_second": "training/words_per_second",
    "validation_perplexity": "validation/perplexity",
    "validation_bleu": "validation/bleu",
}


def require_board(directory: Path | None) -> None:
    """Make ``directory``, if one is named, for what a training will write for TensorBoard.

    Raises:
        UserError: the package is missing; something that is no directory has the name.
        OSError: it cannot be made.
    """
    if directory is None:
        return
    if find_spec(EXTRA) is None:
        raise UserError(f"--tensorboard needs the package tensorboard: {install_extra(EXTRA)}")
    if (directory.exists() or directory.is_symlink()) and not directory.is_dir():
        raise UserError(f"--tensorboard {directory}: is not a directory; name another one")
    directory.mkdir(parents=True, exist_ok=True)


class Board:
    """The events of one run. Where they cannot be written, the training goes on without them."""

    def __init__(self, directory: Path | None, updates: int) -> None:
        """Write into ``directory``, if there is one, after so many updates of the training.

        Points behind them, of updates that are redone, are not shown any more.
        """
        self.directory = directory
        self.writer: SummaryWriter | None = None
        if directory is not None:
            self.attempt(lambda: self.open(directory, updates + 1))

    def open(self, directory: Path, first: int) -> None:
        """Begin a file of events, the first of them of the update ``first`` or a later one."""
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(directory), purge_step=first)

    def attempt(self, action: Callable[[], Any]) -> None:
        """Do what may fail for the disk's sake."""
        try:
            action()
        except OSError as error:
            self.writer = None
            warn(f"{self.directory}: nothing more is written for TensorBoard ({error.strerror})")

    def write(self, metrics: Metrics) -> None:
        """Add a point to the curve of each metric."""
        values = asdict(metrics)
        points = {name: values[name] for name in TAGS if values.get(name) is not None}
        named = {TAGS[name]: value for name, value in points.items()}
        if "loss" in points:
            named["training/perplexity"] = math.exp(min(points["loss"], 700.0))
        for name, value in named.items():
            self.add("add_scalar", name, value, metrics.update)

    def samples(self, update: int, samples: Sequence[Sample]) -> None:
        """Add sample translations, as Markdown that shows text as it is."""
        for number, sample in enumerate(samples, 1):
            text = "\n".join(f"    {title}: {line}" for title, line in asdict(sample).items())
            self.add("add_text", f"samples/{number}", text, update)

    def add(self, method: str, name: str, value: Any, update: int) -> None:
        """Call a method of the writer, if there is one."""
        writer = self.writer
        if writer is not None:
            self.attempt(lambda: getattr(writer, method)(name, value, update))

    def flush(self) -> None:
        """Have everything in the file: no update before a checkpoint is redone."""
        if self.writer is not None:
            self.attempt(self.writer.flush)

    def __enter__(self) -> "Board":
        return self

    def __exit__(self, *error: object) -> None:
        if self.writer is not None:
            self.attempt(self.writer.close)
