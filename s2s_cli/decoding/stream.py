"""Decoding a stream: every line in is a line out, in order, in bounded memory."""

import queue
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from s2s_cli.console import progress
from s2s_cli.decoding.config import BeamConfig
from s2s_cli.decoding.translate import ROWS_OF_BATCH, ChunkTranslator, Counts, LineChunk
from s2s_cli.files import count_lines, is_typed, read_lines, replacing
from s2s_cli.inference.codec import LONGEST_LINE
from s2s_cli.inference.replicas import Replicas
from s2s_cli.parallel import partition

# Lines read ahead: enough to find sentences of like length for every batch.
LOOKAHEAD_BATCHES = 16
MOST_LOOKAHEAD = 2048
# Through a pipe, what has arrived is worked on after so many seconds even if more may come.
PATIENCE_SECONDS = 0.5

TYPE_SENTENCES = "type a sentence and press Enter to see its translation; Ctrl-D ends"
# Lines that were read, and last None, or the error that ended them.
LineQueue = queue.Queue[str | BaseException | None]


@dataclass
class BusyTime:
    """The time in which any of several workers was at work."""

    seconds: float = 0.0
    until: float = 0.0

    def add(self, begin: float, end: float) -> None:
        """Count the time from ``begin`` to ``end``, but none twice; times come in order."""
        self.seconds += max(0.0, end - max(begin, self.until))
        self.until = max(self.until, end)


def decode_stream(
    replicas: Replicas, translator: ChunkTranslator, input: Path, output: Path
) -> tuple[Counts, float]:
    """Translate ``input`` line by line, line by line to ``output``.

    Lines that a person types are translated one by one; those of a file or pipe in chunks, each
    shared by the replicas.

    Returns:
        Statistics, and the seconds in which replicas were at work.

    Raises:
        UserError: a model cannot be loaded, a line cannot be read.
    """
    interactive = is_typed(input)
    total = partial(count_lines, input)
    counts, busy = Counts(), BusyTime()
    with (
        replicas.workers() as workers,
        replacing(output) as stream,
        progress("decoding", total, "lines", shown=not (interactive or stream.isatty())) as advance,
    ):
        ahead = workers.count * lookahead(translator.batch_size)
        lines = read_lines(input, cut_at=LONGEST_LINE, prompt=TYPE_SENTENCES)
        chunks = share_lines(batch_lines(lines, ahead, interactive=interactive), workers.count)
        for result in workers.in_order(translator.translate, chunks):
            stream.write(result.text)
            stream.flush()
            counts.add(result.counts)
            busy.add(result.begin, result.end)
            advance(result.counts.lines)
    return counts, busy.seconds


def default_batch_size(config: BeamConfig) -> int:
    """Sentences decoded together: as many as fill the processor."""
    return max(1, ROWS_OF_BATCH // config.beam)


def lookahead(batch_size: int) -> int:
    """Lines worth having before decoding starts."""
    return max(batch_size, min(LOOKAHEAD_BATCHES * batch_size, MOST_LOOKAHEAD))


def share_lines(batches: Iterable[list[str]], workers: int) -> Iterator[LineChunk]:
    """Cut each of ``batches`` into as many chunks of about equal length as there are workers."""
    first = 0
    for batch in batches:
        for lines in partition(batch, [1 + len(line) for line in batch], workers):
            yield LineChunk(first, lines)
            first += len(lines)


def batch_lines(lines: Iterable[str], size: int, *, interactive: bool) -> Iterator[list[str]]:
    """Group ``lines`` as they arrive into lists of up to ``size``.

    A list is handed on when it is full, when the lines end, or when its first line has waited
    `PATIENCE_SECONDS`; ``interactive``: at once. Reading goes on meanwhile, at most ``size``
    lines ahead.

    Raises:
        Whatever iterating over ``lines`` raises, after the lines before it were handed on.
    """
    arrived: LineQueue = queue.Queue(maxsize=size)
    threading.Thread(target=_queue_lines, args=(lines, arrived), daemon=True).start()
    patience = 0.0 if interactive else PATIENCE_SECONDS
    end = False
    while not end:
        batch, last = _next_batch(arrived, size, patience)
        if batch:
            yield batch
        if isinstance(last, BaseException):
            raise last
        end = last is None


def _queue_lines(lines: Iterable[str], arrived: LineQueue) -> None:
    """Put every line, then None, or the error that ended them."""
    try:
        for line in lines:
            arrived.put(line)
        arrived.put(None)
    except BaseException as error:  # raised again where the lines are used
        arrived.put(error)


def _next_batch(
    arrived: LineQueue, size: int, patience: float
) -> tuple[list[str], str | BaseException | None]:
    """Take one batch, and what came last: a line, the end (None) or an error."""
    last = arrived.get()
    batch: list[str] = []
    deadline = time.monotonic() + patience
    while isinstance(last, str):
        batch.append(last)
        if len(batch) == size:
            break
        try:
            last = arrived.get(timeout=max(deadline - time.monotonic(), 1e-3))
        except queue.Empty:
            break
    return batch, last
