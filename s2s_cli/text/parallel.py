"""A function over a stream of tasks in several processes, results in the order of the tasks."""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from s2s_cli.errors import UserError

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor

Task = TypeVar("Task")
Result = TypeVar("Result")

WAITING_PER_WORKER = 3


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Workers:
    """Processes that work on the tasks of `in_order`.

    Attributes:
        count: how many.
        pool: what hands them their tasks; None where the one worker is this process.
    """

    count: int
    pool: "ProcessPoolExecutor | None" = None

    def in_order(
        self, function: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Iterator[Result]:
        """``map(function, tasks)`` in the workers, a few tasks ahead of the reader.

        An exception of ``function`` comes out at the place of its task and ends the rest.
        """
        if self.pool is None:
            yield from map(function, tasks)
            return
        waiting: deque[Future[Result]] = deque()
        for task in tasks:
            waiting.append(self.pool.submit(function, task))
            if len(waiting) > WAITING_PER_WORKER * self.count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@contextmanager
def worker_processes(count: int, warm_up: Callable[[], object]) -> Iterator[Workers]:
    """``count`` workers, gone when the block ends.

    They start at once, ``warm_up`` being their first task, while the block goes on to find out what
    there is to do. One worker is this process.

    Raises:
        UserError: a worker died.
    """
    if count == 1:
        yield Workers(count)
        return
    # Not needed by one process, nor by --help.
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    # Spawned, not forked: the progress bar has a thread, and its lock could be copied held.
    pool = ProcessPoolExecutor(count, get_context("spawn"), follow_parent)
    try:
        with ignored(signal.SIGINT):
            for _ in range(count):
                pool.submit(warm_up)  # starts a process; what fails here fails in a task again
        yield Workers(count, pool)
    except BrokenProcessPool:
        raise UserError(
            "a worker process died, perhaps for lack of memory; try fewer --workers"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def ignored(number: signal.Signals) -> Iterator[None]:
    """Processes that start within ignore the signal, from their first instruction on."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(number, before)


def follow_parent() -> None:
    """In a worker: leave Ctrl-C to the parent, and end when the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # one of many may start later than the others
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    from multiprocessing import parent_process

    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
