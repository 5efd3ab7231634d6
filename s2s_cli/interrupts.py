"""Signals that end a command: the first one cleanly at any moment, a second one at once."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import current_thread, main_thread
from types import FrameType
from typing import Any, NoReturn

# What the user did, by the name of the signal; the system may not have all of them.
ENDINGS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "terminal closed"}
ENDING = tuple(getattr(signal, name) for name in ENDINGS if hasattr(signal, name))
IMPORT_SYSTEM = "<frozen importlib._bootstrap>"

# True within `held`, and the signal that came there.
holding = False
came: int | None = None


class Interrupted(BaseException):
    """A signal that ends the command. Libraries take it for nothing that they know."""

    def __init__(self, number: int) -> None:
        super().__init__(ENDINGS[signal.Signals(number).name])
        self.exit_code = 128 + number


def end_on_signals() -> None:
    """Have signals end this program by `Interrupted`; those that it was to ignore stay ignored."""
    for each in ENDING:
        if signal.getsignal(each) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(each, end)
    sys.unraisablehook = end_where_nothing_can_be_raised


def end(number: int, frame: FrameType | None) -> None:
    """Raise `Interrupted`; leave at once where a library would make another error of it.

    Raises:
        Interrupted: always, unless signals are held.
    """
    global came
    if holding and came is None:
        came = number
        return
    end_at_once()
    if came is not None:
        signal.raise_signal(number)
    if is_importing(frame):  # extension modules report an ImportError
        leave(number)
    raise Interrupted(number)


def is_importing(frame: FrameType | None) -> bool:
    """Check whether a module is being imported."""
    while frame is not None:
        if frame.f_code.co_filename == IMPORT_SYSTEM:
            return True
        frame = frame.f_back
    return False


def leave(number: int) -> NoReturn:
    """End the process here, with the message and exit code of `Interrupted`."""
    error = Interrupted(number)
    with suppress(OSError):
        os.write(2, f"s2s: {error}\n".encode())
    os._exit(error.exit_code)


def end_where_nothing_can_be_raised(lost: Any) -> None:
    """Leave where the handler ran in a destructor: Python passes over errors there."""
    if isinstance(lost.exc_value, Interrupted):
        leave(lost.exc_value.exit_code - 128)
    sys.__unraisablehook__(lost)


def end_at_once() -> None:
    """Leave the signals that `end_on_signals` took to the system."""
    for each in ENDING:
        signal.signal(each, without_delay(signal.getsignal(each)))


def without_delay(handler: Any) -> Any:
    """The handler that ends the process even in a computation; others than ours are kept."""
    return signal.SIG_DFL if handler is end else handler


@contextmanager
def unhandled() -> Iterator[None]:
    """Let signals end the process at once: it waits for code that runs no handler of Python's."""
    if current_thread() is not main_thread():  # where no handler runs anyway
        yield
        return
    before = [signal.getsignal(each) for each in ENDING]
    try:
        end_at_once()
        yield
    finally:
        for each, handler in zip(ENDING, before, strict=True):
            signal.signal(each, handler)


@contextmanager
def held() -> Iterator[None]:
    """Have signals wait until the block ends; processes that start within never get them.

    Raises:
        Interrupted: at the end, if one came.
    """
    global holding, came
    holding = True
    blocked = hasattr(signal, "pthread_sigmask")  # not on Windows
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING) if blocked else set()
    try:
        yield
    finally:
        if blocked:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        holding, number, came = False, came, None
        if number is not None:
            end(number, None)
