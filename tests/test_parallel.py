"""Results in order, errors at their place, a bounded window, no process left behind."""

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from s2s_cli.errors import UserError
from s2s_cli.parallel import worker_processes


def nothing(worker: int) -> None:
    pass


def negative(own: object, number: int) -> int:
    return -number


def slow_first(own: object, number: int) -> int:
    time.sleep(0.2 if number == 0 else 0)
    return number * number


def refuse_three(own: object, number: int) -> int:
    if number == 3:
        raise UserError("line 3 is bad", exit_code=7)
    return number


def same(own: object, task: object) -> object:
    return task


def sleep(own: object, seconds: float) -> None:
    time.sleep(seconds)


def die(worker: int) -> None:
    os._exit(worker)


class Unsendable(Exception):
    """An exception that can be pickled, but not made again."""

    def __init__(self, file: str, line: int) -> None:
        super().__init__(f"{file}:{line}")


def end_badly(own: object, how: object) -> object:
    """End in one of the ways in which a worker may."""
    match how:
        case signal.Signals():
            os.kill(os.getpid(), how)
        case int():
            os._exit(how)
        case "unsendable":
            raise Unsendable("in.en", 3)
        case "memory":
            raise MemoryError("full")
        case "leave":
            raise SystemExit(4)
        case _:
            return threading.Lock()
    return None


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_tasks(workers: int) -> None:
    with worker_processes(workers, nothing, "--workers") as processes:
        results = list(processes.in_order(slow_first, range(30)))
    assert results == [n * n for n in range(30)]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_worker_comes_out_whole_after_the_results_before_it(workers: int) -> None:
    with worker_processes(workers, nothing, "--workers") as processes:
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

    with worker_processes(2, nothing, "--workers") as processes:
        results = processes.in_order(slow_first, tasks())
        for _ in range(10):
            next(results)
        assert taken <= 20


@pytest.mark.parametrize(
    ("how", "told"),
    [
        (signal.SIGKILL, r"died, perhaps for lack of memory \(worker \d of 2, process"),
        (signal.SIGALRM, r"died \(worker \d of 2, process \d+: signal 14, SIGALRM\)"),
        (3, r"died \(worker \d of 2, process \d+: exit code 3\); try fewer --workers"),
        ("leave", "exit code 4"),
    ],
)
def test_a_worker_that_dies_is_an_error_in_one_sentence(how: object, told: str) -> None:
    with (
        pytest.raises(UserError, match=told),
        worker_processes(2, nothing, "--workers") as processes,
    ):
        list(processes.in_order(end_badly, [how, how, how]))
    assert not multiprocessing.active_children()


def test_any_exception_of_a_worker_is_one_of_its_task_alone() -> None:
    with worker_processes(2, nothing, "--workers") as processes:
        for how, kind, told in (
            ("unsendable", RuntimeError, r"Unsendable: in\.en:3"),
            ("memory", MemoryError, "full"),
            ("result", TypeError, "pickle"),
        ):
            with pytest.raises(kind, match=told):
                list(processes.in_order(end_badly, [how]))
        assert list(processes.in_order(negative, [1, 2])) == [-1, -2]


def test_more_workers_than_the_machine_can_hold_are_refused() -> None:
    with (
        pytest.raises(
            UserError, match=r"--gpus 1,000,000: this machine has .+ for about"
        ) as caught,
        worker_processes(10**6, nothing, "--gpus"),
    ):
        pass
    assert caught.value.exit_code == 2
    assert not multiprocessing.active_children()


def test_workers_that_cannot_all_be_started_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    real = multiprocessing.process.BaseProcess.start

    def start(self: multiprocessing.process.BaseProcess) -> None:
        if multiprocessing.active_children():
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        real(self)

    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", start)
    with (
        pytest.raises(UserError, match=r"process 2 cannot be started \(.+\); try fewer --gpus"),
        worker_processes(3, nothing, "--gpus"),
    ):
        pass
    assert not multiprocessing.active_children()


SLEEPER = """
import time
from s2s_cli.parallel import worker_processes
if __name__ == "__main__":
    with worker_processes(2, abs, "--workers") as processes:
        for _ in processes.in_order(max, range(10**9)):
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


def leave_a_mark(directory: Path, worker: int) -> None:
    (directory / str(os.getpid())).touch()


def test_workers_start_before_there_is_a_task(tmp_path: Path) -> None:
    with worker_processes(2, partial(leave_a_mark, tmp_path), "--workers"):
        end = time.monotonic() + 60
        while not any(tmp_path.iterdir()) and time.monotonic() < end:
            time.sleep(0.01)
        assert any(tmp_path.iterdir())
    assert str(os.getpid()) not in {path.name for path in tmp_path.iterdir()}


def fail(worker: int) -> None:
    raise ValueError


@pytest.mark.parametrize("workers", [1, 2])
def test_a_start_that_fails_is_an_error_of_the_tasks(workers: int) -> None:
    with (
        worker_processes(workers, fail, "--workers") as processes,
        pytest.raises(ValueError),
    ):
        next(processes.in_order(negative, [1, 2]))


def test_waiting_for_the_start_tells_that_it_failed() -> None:
    for count in (1, 2):
        with worker_processes(count, fail, "--workers") as processes, pytest.raises(ValueError):
            processes.wait()
    with (
        worker_processes(2, die, "--gpus") as processes,
        pytest.raises(UserError, match="try fewer --gpus"),
    ):
        processes.wait()


def count_starts(directory: Path, worker: int) -> tuple[int, int]:
    """The worker's number, and its process."""
    (directory / f"{worker} {os.getpid()}").touch()
    return worker, os.getpid()


def own_of(own: tuple[int, int], task: float) -> tuple[int, int]:
    time.sleep(task)
    assert own[1] == os.getpid()
    return own


@pytest.mark.parametrize("workers", [1, 3])
def test_each_worker_starts_once_and_its_tasks_get_its_object(workers: int, tmp_path: Path) -> None:
    with worker_processes(workers, partial(count_starts, tmp_path), "--workers") as processes:
        assert processes.count == workers
        processes.wait()
        started = {path.name for path in tmp_path.iterdir()}
        assert {name.split(" ")[0] for name in started} == set(map(str, range(workers)))
        got = set(processes.in_order(own_of, [0.05] * 30))
        assert {f"{worker} {process}" for worker, process in got} <= started
        assert len(tuple(tmp_path.iterdir())) == workers


@pytest.mark.parametrize("workers", [1, 2])
def test_a_result_does_not_wait_for_the_next_task(workers: int) -> None:
    answered = threading.Event()

    def conversation() -> Iterator[int]:
        yield -1
        assert answered.wait(60)
        yield -2

    with worker_processes(workers, nothing, "--workers") as processes:
        results = processes.in_order(negative, conversation())
        assert next(results) == 1
        answered.set()
        assert list(results) == [2]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_the_tasks_comes_after_the_results_before_it(workers: int) -> None:
    def broken() -> Iterator[int]:
        yield -1
        raise UserError("line 2 is bad")

    with worker_processes(workers, nothing, "--workers") as processes:
        results = processes.in_order(negative, broken())
        assert next(results) == 1
        with pytest.raises(UserError, match="line 2"):
            next(results)


def test_what_a_worker_cannot_be_sent_is_an_error() -> None:
    with worker_processes(2, nothing, "--workers") as processes:
        with pytest.raises(TypeError, match="pickle"):
            list(processes.in_order(same, [threading.Lock()]))
        assert list(processes.in_order(negative, [-1, -2])) == [1, 2]


def test_an_error_says_where_in_the_worker_it_came_from() -> None:
    with worker_processes(2, nothing, "--workers") as processes:
        with pytest.raises(UserError) as caught:
            list(processes.in_order(refuse_three, [3]))
        assert "in refuse_three" in caught.value.__notes__[0]


def test_workers_are_gone_when_the_block_ends_whatever_they_are_at() -> None:
    with worker_processes(2, nothing, "--workers") as processes:
        results = processes.in_order(sleep, [0, 10**6, 10**6, 10**6])
        next(results)
    assert not multiprocessing.active_children()


OF_A_LAUNCHER = """
import os, subprocess, sys
if len(sys.argv) > 1:
    from s2s_cli.processes import end_with_launcher
    launcher = os.getppid()
    print("started", flush=True)
    end_with_launcher(launcher)
else:
    subprocess.run([sys.executable, __file__, "child"])
"""


def test_a_process_of_a_foreign_launcher_ends_with_it(tmp_path: Path) -> None:
    script = tmp_path / "launcher.py"
    script.write_text(OF_A_LAUNCHER)
    process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"started\n"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)  # until the last one that holds the pipe is gone
