"""Several worker processes: tasks are cut up for them, results come in the order of the tasks."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import accumulate, chain, groupby
from operator import itemgetter
from queue import Queue, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from s2s_cli.errors import UserError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from s2s_cli.processes import Child

Item = TypeVar("Item")
Task = TypeVar("Task")
Result = TypeVar("Result")
# The object that a worker has of its own, such as a loaded model.
Own = TypeVar("Own")
# A future result, and the function and the arguments that it comes from.
Job = tuple["Future[Any]", Callable[..., Any], tuple[Any, ...]]

WAITING_PER_WORKER = 3
# In a worker, the object of its own.
owned: list[Any] = []


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
                self.jobs.put((result, with_own, (function, task)))
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

    Raises:
        UserError: more workers than this machine can hold.
    """
    if count == 1:
        yield Workers(set_up, 0)
        return
    from s2s_cli.processes import child_processes, refuse_too_many  # not needed by --help

    refuse_too_many(count, option)
    workers = Workers(set_up, count)
    with child_processes(count, option) as children:
        for child, starting in zip(children, workers.starting, strict=True):
            first: Job = starting, set_up_own, (set_up, child.number)
            arguments = child, first, workers.jobs, partial(death, child, count, option)
            Thread(target=attend, args=arguments, daemon=True).start()
        try:
            yield workers
        finally:
            for _ in children:
                workers.jobs.put(None)


def death(child: "Child", count: int, option: str, how: object) -> UserError:
    """Make the error for a worker that died."""
    why = ", perhaps for lack of memory" if "SIGKILL" in str(how) else ""
    return UserError(
        f"a worker process died{why} (worker {child.number + 1} of {count}, process "
        f"{child.process.pid}: {how}); try fewer {option}"
    )


def attend(
    child: "Child",
    first: Job,
    jobs: "SimpleQueue[Job | None]",
    death: Callable[[object], UserError],
) -> None:
    """Have one worker do its jobs, one after the other; runs in a thread of the parent."""
    from s2s_cli.processes import Died

    broken: Exception | None = None  # its start failed: so does each job that is its own
    for job in chain([first], iter(jobs.get, None)):
        result, function, arguments = job
        try:
            if broken is not None:
                raise broken
            child.ask(function, *arguments)
            result.set_result(child.answer())
        except Exception as error:
            found = death(error) if isinstance(error, Died) else error
            broken = found if job is first else broken
            result.set_exception(found)


def set_up_own(set_up: Callable[[int], Any], number: int) -> None:
    """Make the object of this worker."""
    owned.append(set_up(number))


def with_own(function: Callable[[Any, Any], Any], task: Any) -> Any:
    """Do a task with the object of this worker."""
    return function(owned[-1], task)
