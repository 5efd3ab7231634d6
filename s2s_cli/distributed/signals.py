"""Signals ask a training to stop after the update it is in."""

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any

STOPPING = "SIGTERM", "SIGINT", "SIGUSR1"


@dataclass(frozen=True)
class Stopped:
    """The end of a run: finished, or to be resumed, with the signal that stopped it."""

    finished: bool
    signal: int | None = None


class StopSignals:
    """While active, the first of some signals is noted; a second one acts as if there were no such.

    Attributes:
        received: the number of the first.
    """

    def __init__(
        self,
        names: Sequence[str] = STOPPING,
        *,
        first: Callable[[], object] | None = None,
        second: Callable[[], object] | None = None,
    ) -> None:
        """Note signals of these ``names``; those that the system does not have are left out.

        Args:
            names: of signals.
            first: called when the first one comes.
            second: called when another one comes, before it does what it did before.
        """
        self.received: int | None = None
        self._names, self._first, self._second = names, first, second
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        for name in self._names:
            number = getattr(signal, name, None)  # no SIGUSR1 on Windows
            if number is not None:
                self._before[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is None:
            self.received = number
            if self._first is not None:
                self._first()
            if self._second is None:
                # Now rather than when the second one comes: Python would hear of it only at the
                # end of a computation, which may be what hangs.
                self._restore()
            return
        if self._second is not None:
            self._second()
        self._restore()
        signal.raise_signal(number)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()
