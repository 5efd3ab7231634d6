"""Results in order, errors at their place, a bounded window, no process left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from s2s_cli.errors import UserError
from s2s_cli.text.parallel import worker_processes


def nothing() -> None:
    pass


def slow_first(number: int) -> int:
    time.sleep(0.2 if number == 0 else 0)
    return number * number


def refuse_three(number: int) -> int:
    if number == 3:
        raise UserError("line 3 is bad", exit_code=7)
    return number


def die(number: int) -> int:
    os._exit(number)


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_tasks(workers: int) -> None:
    with worker_processes(workers, nothing) as processes:
        results = list(processes.in_order(slow_first, range(30)))
    assert results == [n * n for n in range(30)]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_worker_comes_out_whole_after_the_results_before_it(workers: int) -> None:
    with worker_processes(workers, nothing) as processes:
        results = processes.in_order(refuse_three, iter(range(100)))
        assert [next(results) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(UserError, match="line 3 is bad") as caught:
            next(results)
    assert caught.value.exit_code == 7


def test_tasks_are_taken_only_a_few_ahead() -> None:
    taken = 0

    def tasks() -> Iterator[int]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield number

    with worker_processes(2, nothing) as processes:
        results = processes.in_order(slow_first, tasks())
        for _ in range(10):
            next(results)
        assert taken <= 20


def test_a_worker_that_dies_is_an_error_in_one_sentence() -> None:
    with (
        pytest.raises(UserError, match="worker process died"),
        worker_processes(2, nothing) as processes,
    ):
        list(processes.in_order(die, [3, 3, 3]))


SLEEPER = """
import time
from s2s_cli.text.parallel import worker_processes
if __name__ == "__main__":
    with worker_processes(2, list) as processes:
        for _ in processes.in_order(abs, range(10**9)):
            print("started", flush=True)
            time.sleep(60)
"""


def test_workers_end_when_the_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "sleeper.py"
    script.write_text(SLEEPER)
    process = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"started\n"
    process.send_signal(signal.SIGKILL)
    # The workers hold the other end of this pipe: it closes when the last of them is gone.
    process.communicate(timeout=60)


def leave_a_mark(directory: Path) -> None:
    (directory / str(os.getpid())).touch()


def test_workers_start_before_there_is_a_task(tmp_path: Path) -> None:
    with worker_processes(2, partial(leave_a_mark, tmp_path)):
        end = time.monotonic() + 60
        while not any(tmp_path.iterdir()) and time.monotonic() < end:
            time.sleep(0.01)
        assert any(tmp_path.iterdir())
    assert str(os.getpid()) not in {path.name for path in tmp_path.iterdir()}


def fail() -> None:
    raise ValueError


def test_a_start_that_fails_is_left_to_the_tasks() -> None:
    with worker_processes(2, fail) as processes:
        assert list(processes.in_order(abs, [-1, -2])) == [1, 2]
