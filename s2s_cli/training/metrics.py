"""The metrics file, and the clock that measures words per second."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from s2s_cli.atomic_files import NamedWriter, named_errors, sync

METRICS = "metrics.jsonl"


class MetricsFile:
    """One JSON object a line, cut back to the checkpoint on resume.

    Lines with ``loss`` are training windows (natural log a target word, ``<EOS>`` counted), lines
    with ``validation_perplexity`` are validations.
    """

    def __init__(self, directory: Path, keep_bytes: int) -> None:
        """Open the file and drop what lies beyond ``keep_bytes``: updates that will be redone."""
        self._stream = NamedWriter(
            (directory / METRICS).open("ab", buffering=0), directory / METRICS
        )
        with named_errors(str(directory / METRICS)):
            self._stream.truncate(min(keep_bytes, self._stream.seek(0, os.SEEK_END)))
        self._kept = self._stream.seek(0, os.SEEK_END)

    def write(self, *, lasting: bool = True, **values: Any) -> None:
        """Add a line; one that is not ``lasting`` is dropped when the training goes on."""
        self._stream.write(json.dumps(values).encode() + b"\n")
        self._stream.flush()
        if lasting:
            self._kept = self._stream.tell()

    def sync(self) -> int:
        """Have everything on the disk; the length in bytes of what lasts."""
        sync(self._stream)
        return self._kept

    def __enter__(self) -> "MetricsFile":
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.close()


class NoMetrics:
    """What a replica other than the first has for a metrics file."""

    def write(self, *, lasting: bool = True, **values: Any) -> None:
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
        self._start = time.monotonic()
        self._pauses = 0.0
        self.updates = 0
        self.new_window()

    def new_window(self) -> None:
        """Speed is measured from here on."""
        self._window_start, self._window_pauses = time.monotonic(), 0.0
        self._window_words = 0

    def count(self, words: int) -> None:
        """One update with so many running words is done."""
        self.updates += 1
        self._window_words += words

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Time inside the block is not training."""
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
        """Running words of both languages, in the present window."""
        seconds = time.monotonic() - self._window_start - self._window_pauses
        return self._window_words / max(seconds, 1e-9)

    def seconds_an_update(self) -> float:
        """Mean over this run, everything counted: what is left takes this long an update."""
        return self.elapsed() / max(1, self.updates)
