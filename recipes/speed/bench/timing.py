"""Run a program and measure it: seconds, processor seconds, memory."""

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

SAMPLE_SECONDS = 0.1
TOLD_LINES = 5
NOWHERE = Path(os.devnull)
Command = Sequence[object]  # words, paths and numbers
Talk = list[tuple[float, str]]


class Failed(Exception):
    """A program that was measured came to a bad end."""


@dataclass
class Timing:
    """What one run took.

    Attributes:
        seconds: wall time from start to end.
        cpu_seconds: of the program and of its processes.
        memory_mib: largest sum over the program and its processes, pages that they share counted
            once, sampled; of a run too short for that, the largest process.
        talk: lines of stderr, and of stdout unless it went to a file, each with the second (since
            the start) at which it came.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    memory_mib: float = 0.0
    talk: Talk = field(default_factory=list)


def run(
    command: Command,
    *,
    environment: Mapping[str, str],
    stdin: Path | None = None,
    stdout: Path | None = None,
    cwd: Path | None = None,
) -> Timing:
    """Run ``command`` to its end.

    Raises:
        Failed: it cannot be started, or its exit status is not 0; with its last words.
    """
    timing, start = Timing(), time.perf_counter()
    with (
        (stdin or NOWHERE).open("rb") as source,
        (stdout or NOWHERE).open("wb") as sink,
    ):
        try:
            process = subprocess.Popen(
                list(map(str, command)),
                stdin=source,
                stdout=sink if stdout else subprocess.PIPE,
                stderr=subprocess.PIPE if stdout else subprocess.STDOUT,
                env=dict(environment),
                cwd=cwd,
            )
        except OSError as error:
            raise Failed(f"{command[0]}: {error.strerror}") from None
        memory = Memory(process.pid)
        with process, memory:
            for line in (process.stderr if stdout else process.stdout) or ():
                told = line.decode(errors="replace").rstrip("\n")
                timing.talk.append((time.perf_counter() - start, told))
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            timing.seconds = time.perf_counter() - start
    timing.cpu_seconds = usage.ru_utime + usage.ru_stime
    # Not ru_maxrss where there is better: it is never below the size of the process that began the
    # program, which has torch loaded.
    timing.memory_mib = memory.most / 2**20 or usage.ru_maxrss / 1024
    if process.returncode:
        last = " / ".join(line for _, line in timing.talk[-TOLD_LINES:])
        raise Failed(f"{Path(str(command[0])).name} ended with {process.returncode}: {last}")
    return timing


class OtherWork:
    """Counts the work of programs that are not below this process, from now on."""

    def __init__(self) -> None:
        self.start, self.at = self.seconds(), time.perf_counter()

    @staticmethod
    def seconds() -> float:
        """Processor seconds of all programs but this one and what it ran to an end."""
        busy = psutil.cpu_times()
        own = os.times()
        of_all = sum(getattr(busy, name, 0.0) for name in ("user", "nice", "system"))
        return of_all - sum((own.user, own.system, own.children_user, own.children_system))

    def cores(self) -> float:
        """How many cores they took on average."""
        return (self.seconds() - self.start) / max(time.perf_counter() - self.at, 1e-3)


class Memory:
    """Samples the memory of a process and its descendants; ``most`` is the largest, in bytes."""

    def __init__(self, pid: int) -> None:
        self.pid, self.most = pid, 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def watch(self) -> None:
        while not self.over.wait(SAMPLE_SECONDS):
            self.most = max(self.most, family_bytes(self.pid))

    def __enter__(self) -> "Memory":
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.over.set()
        self.thread.join()


def family_bytes(pid: int) -> int:
    """Memory of a process and all below it, which may be gone."""
    try:
        process = psutil.Process(pid)
        children = process.children(recursive=True)
        # Which pages are shared is slow to find out; a process by itself shares none.
        if not children:
            return int(process.memory_info().rss)
    except psutil.Error:
        return 0
    return sum(map(proportional_bytes, [process, *children]))


def proportional_bytes(process: psutil.Process) -> int:
    """Memory of a process; a page that n processes share counts as its n-th part, on Linux."""
    try:
        memory = process.memory_full_info()
    except psutil.Error:
        return 0
    return int(getattr(memory, "pss", memory.rss))
