"""Several worker processes: tasks are cut up for them, results come in the order of the tasks."""

import os
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import accumulate, chain, groupby
from operator import itemgetter
from queue import Queue, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from s2s_cli.errors import UserError

if TYPE_CHECKING:
    from concurrent.futures import Future
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

Item = TypeVar("Item")
Task = TypeVar("Task")
Result = TypeVar("Result")
# The object that a worker has of its own, such as a loaded model.
Own = TypeVar("Own")
# A future result, and the function and the task that it comes from.
Job = tuple["Future[Any]", Callable[..., Any], Any]

WAITING_PER_WORKER = 3


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def partition(items: Sequence[Item], sizes: Sequence[int], count: int) -> Iterator[list[Item]]:
    """Cut ``items`` into ``count`` runs of about equal size, in order; none is empty.

    Args:
        items: the work.
        sizes: the amount of work of each item, more than 0.
        count: number of workers; there are fewer runs where there are fewer items.
    """
    ends = list(accumulate(sizes))
    # An item belongs to the run that its middle is in.
    places = [
        (2 * end - size) * count // (2 * ends[-1]) for size, end in zip(sizes, ends, strict=True)
    ]
    for _, run in groupby(zip(places, items, strict=True), key=itemgetter(0)):
        yield [item for _, item in run]


class Workers(Generic[Own]):
    """Processes that work on the tasks of `in_order`, each with an object of its own.

    Attributes:
        starting: for each process the end of its start; empty where the one worker is this process.
        jobs: the queue that they take their work from.
    """

    def __init__(self, set_up: Callable[[int], Own], processes: int) -> None:
        """Prepare for ``processes``, none if the one worker is this process.

        Args:
            set_up: makes the object of a worker from its number, from 0.
            processes: how many there will be.
        """
        from concurrent.futures import Future  # not needed by --help

        self.set_up = set_up
        self.starting: list[Future[None]] = [Future() for _ in range(processes)]
        self.jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._local: list[Own] = []

    @property
    def count(self) -> int:
        return max(1, len(self.starting))

    def local(self) -> Own:
        """Return the object of the one worker that is this process; made at the first call."""
        if not self._local:
            self._local.append(self.set_up(0))
        return self._local[0]

    def wait(self) -> None:
        """Go on when every worker has its object.

        Raises:
            Whatever ``set_up`` raises there.
        """
        if not self.starting:
            self.local()
        for each in self.starting:
            each.result()

    def in_order(
        self, function: Callable[[Own, Task], Result], tasks: Iterable[Task]
    ) -> Iterator[Result]:
        """Yield ``function(own, task)`` for each task, a few tasks ahead of the reader.

        ``own`` is the object of the worker that does it. A result does not wait for the task after
        its own. An exception, of ``function`` or of ``tasks``, comes out at its place and ends the
        iteration.
        """
        if not self.starting:
            own = self.local()
            for task in tasks:
                yield function(own, task)
            return
        results: Queue[Future[Result] | None] = Queue(WAITING_PER_WORKER * self.count)
        # A daemon: it may still wait for a task when the program ends.
        Thread(target=self._hand_out, args=(function, tasks, results), daemon=True).start()
        while (result := results.get()) is not None:
            yield result.result()

    def _hand_out(
        self,
        function: Callable[[Own, Task], Result],
        tasks: Iterable[Task],
        results: "Queue[Future[Result] | None]",
    ) -> None:
        """Queue every task, and its future result; then None, or the error that ended the tasks."""
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
def worker_processes(
    count: int, set_up: Callable[[int], Own], option: str
) -> Iterator[Workers[Own]]:
    """Start ``count`` workers, which are killed when the block ends, whatever they are doing.

    They begin with ``set_up`` at once, while the block goes on to find out what there is to do. An
    error there is raised by their tasks, or where the block waits for it (`Workers.wait`). One
    worker is this process, which sets up only then.

    Args:
        count: number of workers.
        set_up: makes the object of a worker, which its tasks get, from its number.
        option: of the command line, for the number of workers. A worker that dies is a UserError
            that names it, at the place of its task.
    """
    if count == 1:
        yield Workers(set_up, 0)
        return
    workers = Workers(set_up, count)
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
    """Have processes that start within ignore the signal, from their first instruction on."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(number, before)


def start_worker(workers: Workers[Any], number: int, died: str) -> "BaseProcess":
    """Start a worker, and a thread that hands it its start and its tasks."""
    from multiprocessing import get_context

    # Spawned, not forked: the progress bar has a thread, and its lock could be copied held.
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()  # the worker alone has it: when it dies, the pipe ends
    first: Job = (workers.starting[number], workers.set_up, number)
    Thread(target=attend, args=(ours, first, workers.jobs, died), daemon=True).start()
    return process


def attend(
    pipe: "Connection[Any, Any]", first: Job, jobs: "SimpleQueue[Job | None]", died: str
) -> None:
    """Have one worker do its jobs, one after the other; runs in a thread of the parent."""
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


def serve(pipe: "Connection[Any, Any]") -> None:
    """Do the jobs that come through the pipe, until it ends; runs in a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is left to the parent
    Thread(target=end_with_parent, daemon=True).start()
    with suppress(EOFError, ConnectionError):
        set_up, number = pipe.recv()
        ready, own = outcome(set_up, number)
        pipe.send((ready, None if ready else own))
        while True:
            function, task = pipe.recv()
            pipe.send(outcome(function, own, task) if ready else (False, own))


def outcome(function: Callable[..., Any], *arguments: Any) -> tuple[bool, Any]:
    """Return True and the result, or False and the exception with the place that it came from."""
    try:
        return True, function(*arguments)
    except Exception as error:
        error.add_note(f"In a worker process:\n{traceback.format_exc()}")
        return False, error


def end_with_parent() -> None:
    """End this process when its parent ends, whatever it is doing."""
    from multiprocessing import parent_process

    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
