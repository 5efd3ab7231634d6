"""Batches computed side by side, each in a thread of its own.

Several threads of one product wait for each other at every product, and all but one of them during
what lies between. Threads that share nothing but the weights do not wait.
"""

from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Event, Thread

import torch

from s2s_cli.parallel import Item, Result

# Called often by what is computed; raises where the result is not wanted any more.
GoOn = Callable[[], None]


class Abandoned(BaseException):
    """The thread that waited for a result was interrupted, or another thread failed."""


def in_threads(
    function: Callable[[Item, GoOn], Result], items: Sequence[Item], device: torch.device
) -> list[Result]:
    """Compute ``function`` of each of ``items``, on a CPU in as many threads as torch may use.

    An item should be as much work as others, or come after those that are more. Where there are
    fewer items than threads, each product has what is left of them.

    Raises:
        Whatever ``function`` raises, of the first item of which it does; the others are abandoned.
    """
    threads = torch.get_num_threads()
    workers = min(threads, len(items)) if device.type == "cpu" else 1
    if workers < 2:
        return [function(each, lambda: None) for each in items]
    torch.set_num_threads(threads // workers)
    try:
        return results_of(function, items, workers)
    finally:
        torch.set_num_threads(threads)


def results_of(
    function: Callable[[Item, GoOn], Result], items: Sequence[Item], workers: int
) -> list[Result]:
    """Compute results in so many threads of Python, none of which is there afterwards."""
    from concurrent.futures import Future  # not needed by a single line

    stopping = Event()
    jobs: SimpleQueue[tuple[Future[Result], Item]] = SimpleQueue()
    results: list[Future[Result]] = []
    for each in items:
        results.append(Future())
        jobs.put((results[-1], each))

    def go_on() -> None:
        if stopping.is_set():
            raise Abandoned

    def work() -> None:
        while not stopping.is_set():
            try:
                result, item = jobs.get_nowait()
            except Empty:
                return
            try:
                result.set_result(function(item, go_on))
            except BaseException as error:  # raised again where the results are used
                result.set_exception(error)

    started = [Thread(target=work, daemon=True) for _ in range(workers)]
    for thread in started:
        thread.start()
    try:
        return [each.result() for each in results]
    finally:
        stopping.set()
        for thread in started:
            thread.join()
