"""Processes that do what this one asks of them, and end with it at every moment."""

import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

from s2s_cli.console import be_quiet, is_quiet
from s2s_cli.errors import UsageError, UserError
from s2s_cli.interrupts import ENDING, held

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

# What a process takes at least: memory, and files that are open here.
BYTES_EACH, FILES_EACH = 100 << 20, 4
# Files for everything else.
OTHER_FILES = 64
# So often a process looks whether a launcher that is not ours is still there.
LAUNCHER_SECONDS = 0.5


class Died(Exception):
    """A process that ended before its answer; the message says how: "signal 9, SIGKILL"."""

    def __init__(self, code: int | None) -> None:
        super().__init__(how_it_ended(code))
        self.code = code


@dataclass
class Child:
    """A process that was started here.

    Attributes:
        number: its number among all that were started together, from 0.
        process: the process.
        pipe: for what it is asked and what it answers; at its death the pipe ends.
    """

    number: int
    process: "BaseProcess"
    pipe: "Connection[Any, Any]"
    _joining: Lock = field(default_factory=Lock)

    def ask(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Have ``function(*arguments)`` computed there.

        Raises:
            What pickle raises for things that cannot be sent.
        """
        with suppress(OSError):  # it is dead, which `answer` reports
            self.pipe.send((function, arguments))

    def answer(self) -> Any:
        """Wait for the result of what was asked.

        Raises:
            Died: the process has ended; all that the function raises.
        """
        try:
            returned, value = self.pipe.recv()
        except (EOFError, OSError):
            self.join()
            raise Died(self.process.exitcode) from None
        if not returned:
            raise value
        return value

    def join(self) -> None:
        """Wait for the end of the process; of several threads, each knows of it afterwards."""
        with self._joining:  # the system tells one of them alone
            self.process.join()


def how_it_ended(code: int | None) -> str:
    """Describe an exit code of `multiprocessing`."""
    if code is not None and code < 0:
        return f"signal {-code}, {signal.Signals(-code).name}"
    return f"exit code {'unknown' if code is None else code}"


@contextmanager
def child_processes(count: int, option: str) -> Iterator[list[Child]]:
    """Start ``count`` processes, which are killed when the block ends, whatever they are doing.

    Args:
        count: how many.
        option: of the command line, for the number of processes.

    Raises:
        UserError: one of them cannot be started.
    """
    children: list[Child] = []
    try:
        for number in range(count):
            try:
                start_child(children, number)
            except OSError as error:
                raise UserError(
                    f"{option} {count:,}: process {number + 1:,} cannot be started "
                    f"({(error.strerror or str(error)).lower()}); try fewer {option}"
                ) from None
        yield children
    finally:
        with held():
            for child in children:
                child.process.kill()
            for child in children:
                child.join()


def start_child(children: list[Child], number: int) -> None:
    """Start one more process that serves this one."""
    from multiprocessing import get_context, resource_tracker

    # It would let signals through again.
    resource_tracker.ensure_running()
    # Spawned, not forked: the progress bar has a thread, and its lock could be copied held.
    context = get_context("spawn")
    with held():  # until the process is known here
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, is_quiet()), daemon=True)
        process.start()
        theirs.close()  # the child alone has it: when it dies, the pipe ends
        children.append(Child(number, process, ours))


def refuse_too_many(count: int, option: str) -> None:
    """Raise a `UsageError` for more processes than the machine can hold."""
    most, what = min(limits())
    if count > most:
        raise UsageError(
            f"{option} {count:,}: this machine has {what} for about {most:,} processes; give fewer"
        )


def most_processes() -> int:
    """About as many processes as this machine can hold, at least one."""
    return min(limits())[0]


def limits() -> Iterator[tuple[int, str]]:
    """Numbers of processes that this machine has enough of something for, and of what."""
    if memory := physical_memory():
        yield max(1, memory // BYTES_EACH), "memory"
    with suppress(ImportError):
        import resource

        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if files != resource.RLIM_INFINITY:
            yield max(1, (files - OTHER_FILES) // FILES_EACH), "open files (ulimit -n)"
    yield 1 << 14, "numbers"


def physical_memory() -> int | None:
    """Bytes of the machine's memory; None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def serve(pipe: "Connection[Any, Any]", quiet: bool) -> None:
    """Answer what comes through the pipe, until it ends; runs in the process that was started."""
    if quiet:
        be_quiet()
    for each in ENDING:  # left to the parent, with which this process ends
        signal.signal(each, signal.SIG_IGN)
    Thread(target=end_with_parent, daemon=True).start()
    with suppress(EOFError, ConnectionError):
        while True:
            pipe.send_bytes(outcome(pipe.recv_bytes()))


def outcome(asked: bytes) -> Any:
    """Compute what is asked; return, as bytes, True and the result or False and the exception."""
    from multiprocessing.reduction import ForkingPickler  # not needed by --help

    try:
        function, arguments = ForkingPickler.loads(asked)
        return ForkingPickler.dumps((True, function(*arguments)))
    except Exception as error:
        error.add_note(f"In another process:\n{traceback.format_exc()}")
        return failed(error)


def failed(error: Exception) -> Any:
    """Return, as bytes, False and an exception; in place of one that cannot be sent, another."""
    from multiprocessing.reduction import ForkingPickler

    try:
        sent = ForkingPickler.dumps((False, error))
        ForkingPickler.loads(sent)
    except Exception:
        other = RuntimeError(f"{type(error).__name__}: {error}")
        other.__notes__ = error.__notes__
        return ForkingPickler.dumps((False, other))
    return sent


def end_with_parent() -> None:
    """End this process when its parent ends, whatever it is doing."""
    from multiprocessing import parent_process

    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def end_with_launcher(launcher: int) -> None:
    """End this process when the one that started it, which is not ours, has ended."""
    while os.getppid() == launcher:
        time.sleep(LAUNCHER_SECONDS)
    os._exit(1)
