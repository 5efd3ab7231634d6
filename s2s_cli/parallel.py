"""A function over a stream of tasks in several processes, results in the order of the tasks."""

import os
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain
from queue import Queue, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from s2s_cli.errors import UserError

if TYPE_CHECKING:
    from concurrent.futures import Future
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

Task = TypeVar("Task")
Result = TypeVar("Result")
# What is to become of a task: a function of it.
Job = tuple["Future[Any]", Callable[[Any], Any], Any]

WAITING_PER_WORKER = 3

own_number = 0  # of this process


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def worker_number() -> int:
    """Which of the workers this process is, from 0; 0 in the parent, too."""
    return own_number


@dataclass(frozen=True)
class Workers:
    """Processes that work on the tasks of `in_order`.

    Attributes:
        warm_up: what each does first.
        warming: for each what becomes of that; empty where the one worker is this process.
        jobs: what they take their work from.
    """

    warm_up: Callable[[], object]
    warming: "list[Future[None]]" = field(default_factory=list)
    jobs: "SimpleQueue[Job | None]" = field(default_factory=SimpleQueue)

    @property
    def count(self) -> int:
        return max(1, len(self.warming))

    def wait(self) -> None:
        """Go on when every worker has warmed up.

        Raises:
            Whatever ``warm_up`` raises there.
        """
        if not self.warming:
            self.warm_up()
        for each in self.warming:
            each.result()

    def in_order(
        self, function: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Iterator[Result]:
        """``map(function, tasks)`` in the workers, a few tasks ahead of the reader.

        A result does not wait for the task after its own. An exception, of ``function`` or of
        ``tasks``, comes out at its place and ends the rest.
        """
        if not self.warming:
            yield from map(function, tasks)
            return
        results: Queue[Future[Result] | None] = Queue(WAITING_PER_WORKER * self.count)
        # A daemon: it may still wait for a task when the program ends.
        Thread(target=self._hand_out, args=(function, tasks, results), daemon=True).start()
        while (result := results.get()) is not None:
            yield result.result()

    def _hand_out(
        self,
        function: Callable[[Task], Result],
        tasks: Iterable[Task],
        results: "Queue[Future[Result] | None]",
    ) -> None:
        """Put every task to the workers and its result to be; then None, or what ended them."""
        from concurrent.futures import Future

        try:
            for task in tasks:
                result: Future[Result] = Future()
                results.put(result)  # waits while the reader is far behind
                self.jobs.put((result, function, task))
            results.put(None)
        except BaseException as error:  # raised again where the results are used
            ended: Future[Result] = Future()
            ended.set_exception(error)
            results.put(ended)


@contextmanager
def worker_processes(count: int, warm_up: Callable[[], object], option: str) -> Iterator[Workers]:
    """``count`` workers, gone when the block ends, whatever they are at.

    They start at once, with ``warm_up``, while the block goes on to find out what there is to do.
    What fails there is left to the tasks, unless the block waits for it (`Workers.wait`). One
    worker is this process, which warms up only then.

    A worker that dies is a UserError at the place of its task; ``option`` is the one that says how
    many there are.
    """
    if count == 1:
        yield Workers(warm_up)
        return
    from concurrent.futures import Future  # not needed by one process, nor by --help

    workers = Workers(warm_up, [Future() for _ in range(count)])
    died = f"a worker process died, perhaps for lack of memory; try fewer {option}"
    processes: list[BaseProcess] = []
    try:
        with ignored(signal.SIGINT):
            for number in range(count):
                processes.append(start_worker(workers, number, died))
        yield workers
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.join()
            workers.jobs.put(None)


@contextmanager
def ignored(number: signal.Signals) -> Iterator[None]:
    """Processes that start within ignore the signal, from their first instruction on."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(number, before)


def start_worker(workers: Workers, number: int, died: str) -> "BaseProcess":
    """A worker that has its warm-up to do, and a thread that hands it what comes after."""
    from multiprocessing import get_context

    # Spawned, not forked: the progress bar has a thread, and its lock could be copied held.
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, number), daemon=True)
    process.start()
    theirs.close()  # the worker alone has it: when it dies, the pipe ends
    first: Job = (workers.warming[number], call, workers.warm_up)
    Thread(target=attend, args=(ours, first, workers.jobs, died), daemon=True).start()
    return process


def attend(
    pipe: "Connection[Any, Any]", first: Job, jobs: "SimpleQueue[Job | None]", died: str
) -> None:
    """In a thread of the parent: have one worker do its jobs, one after the other."""
    for result, function, task in chain([first], iter(jobs.get, None)):
        try:
            pipe.send((function, task))
            done, value = pipe.recv()
        except (EOFError, OSError):  # for each job that would have been its
            result.set_exception(UserError(died))
        except Exception as error:  # what cannot be sent
            result.set_exception(error)
        else:
            if done:
                result.set_result(value)
            else:
                result.set_exception(value)
    pipe.close()


def serve(pipe: "Connection[Any, Any]", number: int) -> None:
    """In a worker: do what comes through the pipe, until it ends."""
    global own_number
    own_number = number
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is left to the parent
    Thread(target=end_with_parent, daemon=True).start()
    with suppress(EOFError, ConnectionError):
        while True:
            function, task = pipe.recv()
            pipe.send(outcome(function, task))


def outcome(function: Callable[[Task], Result], task: Task) -> tuple[bool, Result | Exception]:
    """Whether it was done, and the result, or the exception with the place that it came from."""
    try:
        return True, function(task)
    except Exception as error:
        error.add_note(f"In a worker process:\n{traceback.format_exc()}")
        return False, error


def call(warm_up: Callable[[], object]) -> None:
    warm_up()


def end_with_parent() -> None:
    """Also in the middle of something."""
    from multiprocessing import parent_process

    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
