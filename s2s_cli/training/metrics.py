"""The metrics of training, their file, and the clock that measures words per second.

A new metric is a field of a record, with its value where the loop makes the record; what a person
reads of it is said in report.py.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from s2s_cli.atomic_files import sync
from s2s_cli.destinations import named_errors, open_in_place, own_file
from s2s_cli.errors import UserError
from s2s_cli.locks import is_named

METRICS = "metrics.jsonl"
FIRST_BYTES = b'{"update": '  # of every line; the first one may be half-written


@dataclass(frozen=True)
class WindowMetrics:
    """The updates since the last such record.

    Attributes:
        update: number of the last one.
        epoch: epochs done, with fraction.
        loss: mean natural log a target word, ``<EOS>`` counted, of those that were not skipped.
        learning_rate: of the next update.
        gradient_norm: the largest, before clipping.
        skipped: updates skipped since the training began.
        words_per_second: running words of both languages.
    """

    update: int
    epoch: float
    loss: float
    learning_rate: float
    gradient_norm: float
    skipped: int
    words_per_second: float


@dataclass(frozen=True)
class ValidationMetrics:
    """A validation after update ``update``, ``epoch`` epochs done; BLEU if it was computed."""

    update: int
    epoch: float
    validation_perplexity: float
    validation_bleu: float | None = None


Metrics = WindowMetrics | ValidationMetrics
# Numbers that are written with fewer digits than they have.
WRITTEN_DIGITS = {"epoch": 4, "words_per_second": None, "validation_bleu": 4}


class MetricsFile:
    """One JSON object a line, the fields of `Metrics`, cut back to the checkpoint on resume."""

    def __init__(self, directory: Path, keep_bytes: int) -> None:
        """Open the file and drop what lies beyond ``keep_bytes``: updates that will be redone.

        Raises:
            UserError: it is a link or no plain file, or no training wrote it.
        """
        path = directory / METRICS
        if not keep_bytes:
            refuse_foreign(path)
        self._stream = open_in_place(path)
        with named_errors(str(path)):
            self._stream.truncate(min(keep_bytes, self._stream.seek(0, os.SEEK_END)))
        self._kept = self._stream.seek(0, os.SEEK_END)

    def write(self, metrics: Metrics, *, lasting: bool = True) -> None:
        """Add a line; one that is not ``lasting`` is dropped when the training goes on.

        Raises:
            UserError: the file has been removed; OSError, which names it, where writing fails.
        """
        self.refuse_removed()
        values = {
            name: round(value, WRITTEN_DIGITS[name]) if name in WRITTEN_DIGITS else value
            for name, value in asdict(metrics).items()
            if value is not None
        }
        self._stream.write(json.dumps(values).encode() + b"\n")
        self._stream.flush()
        if lasting:
            self._kept = self._stream.tell()

    def sync(self) -> int:
        """Have everything on the disk; return the length in bytes of what lasts.

        Raises:
            UserError: the file has been removed.
        """
        self.refuse_removed()
        sync(self._stream)
        return self._kept

    def refuse_removed(self) -> None:
        """Raise a `UserError` where nothing that is written will be found again."""
        path = self._stream.path
        if not is_named(self._stream.fileno(), path):
            raise UserError(
                f"{path}: was removed or replaced during the training, and maybe all of "
                f"{path.parent}; nothing more is saved; the same command goes on from the last "
                "checkpoint that is there, or begins anew"
            )

    def __enter__(self) -> "MetricsFile":
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.close()


def refuse_foreign(path: Path) -> None:
    """Refuse to begin anew a file that is not one of metrics, or the beginning of one.

    Raises:
        UserError: it is not; it is a link or no plain file.
    """
    own_file(path)
    if path.is_file():
        with path.open("rb") as stream:
            begin = stream.read(len(FIRST_BYTES))
        if not FIRST_BYTES.startswith(begin):
            raise UserError(
                f"{path}: no training wrote this file, and one would begin it anew; remove it, or "
                "train into another directory with --model"
            )


class NoMetrics:
    """Stands for a metrics file in replicas other than the first."""

    def write(self, metrics: Metrics, *, lasting: bool = True) -> None:
        pass

    def sync(self) -> int:
        return 0

    def __enter__(self) -> "NoMetrics":
        return self

    def __exit__(self, *error: object) -> None:
        pass


class Clock:
    """Time spent on updates; validation and checkpoints do not count as training speed.

    Attributes:
        updates: updates of this run.
    """

    def __init__(self) -> None:
        self._start = self._window_start = time.monotonic()
        self._pauses = self._window_pauses = 0.0
        self.updates = self._words = 0

    def new_window(self) -> None:
        """Measure speed from here on."""
        self._window_start, self._window_pauses = time.monotonic(), 0.0
        self._words = 0

    def count(self, words: int) -> None:
        """Count an update of so many running words."""
        self.updates += 1
        self._words += words

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the time inside the block as training."""
        start = time.monotonic()
        yield
        self._pauses += time.monotonic() - start
        self._window_pauses += time.monotonic() - start

    def elapsed(self) -> float:
        """Seconds since this run began, everything counted."""
        return time.monotonic() - self._start

    def updating(self) -> float:
        """Seconds of this run that went into updates."""
        return self.elapsed() - self._pauses

    def words_per_second(self) -> float:
        """Running words a second, in the present window."""
        seconds = time.monotonic() - self._window_start - self._window_pauses
        return self._words / max(seconds, 1e-9)

    def seconds_per_update(self) -> float:
        """Mean over this run, everything counted; an estimate for the updates to come."""
        return self.elapsed() / max(1, self.updates)
