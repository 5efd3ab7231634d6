"""Results in order, errors at their place, a bounded window, no process left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from s2s_cli.errors import UserError
from s2s_cli.text.parallel import in_order


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
    assert list(in_order(slow_first, range(30), workers)) == [n * n for n in range(30)]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_worker_comes_out_whole_after_the_results_before_it(workers: int) -> None:
    results = in_order(refuse_three, iter(range(100)), workers)
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

    results = in_order(slow_first, tasks(), 2)
    for _ in range(10):
        next(results)
    assert taken <= 20
    results.close()  # type: ignore[attr-defined]


def test_a_worker_that_dies_is_an_error_in_one_sentence() -> None:
    with pytest.raises(UserError, match="worker process died"):
        list(in_order(die, [3, 3, 3], 2))


SLEEPER = """
import time
from s2s_cli.text.parallel import in_order
if __name__ == "__main__":
    for _ in in_order(abs, range(10**9), 2):
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
