"""Lines as they arrive: in chunks through a pipe, one by one from a person."""

import queue
import threading
import time
from collections.abc import Iterable, Iterator

# Through a pipe, what has arrived is worked on after so many seconds even if more may come.
PATIENCE_SECONDS = 0.5

Waiting = queue.Queue[str | BaseException | None]


def chunks(lines: Iterable[str], size: int, *, interactive: bool) -> Iterator[list[str]]:
    """Group ``lines`` into lists of up to ``size``.

    A list is handed on when it is full, when the lines end, or when its first line has waited
    `PATIENCE_SECONDS`; ``interactive``: at once. Reading goes on meanwhile, at most ``size``
    lines ahead.

    Raises:
        Whatever iterating over ``lines`` raises, after the lines before it were handed on.
    """
    waiting: Waiting = queue.Queue(maxsize=size)
    threading.Thread(target=_read, args=(lines, waiting), daemon=True).start()
    patience = 0.0 if interactive else PATIENCE_SECONDS
    end = False
    while not end:
        chunk, last = _gather(waiting, size, patience)
        if chunk:
            yield chunk
        if isinstance(last, BaseException):
            raise last
        end = last is None


def _read(lines: Iterable[str], waiting: Waiting) -> None:
    """Put every line, then None, or the error that ended them."""
    try:
        for line in lines:
            waiting.put(line)
        waiting.put(None)
    except BaseException as error:  # raised again where the lines are used
        waiting.put(error)


def _gather(
    waiting: Waiting, size: int, patience: float
) -> tuple[list[str], str | BaseException | None]:
    """One chunk, and what came last: a line, the end (None) or an error."""
    last = waiting.get()
    chunk: list[str] = []
    deadline = time.monotonic() + patience
    while isinstance(last, str):
        chunk.append(last)
        if len(chunk) == size:
            break
        try:
            last = waiting.get(timeout=max(deadline - time.monotonic(), 1e-3))
        except queue.Empty:
            break
    return chunk, last
