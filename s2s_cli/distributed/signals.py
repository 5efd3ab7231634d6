"""Signals ask a training to stop after the update it is in."""

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any

from s2s_cli.interrupts import without_delay

STOPPING = "SIGTERM", "SIGINT", "SIGUSR1", "SIGHUP"
# What asks a replica that was started here to stop; its parent hears of the others.
FROM_PARENT = "SIGUSR1"


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
        afterwards: Any = None,
    ) -> None:
        """Note signals of these ``names``; those that the system does not have are left out.

        Args:
            names: of signals. A SIGHUP that was ignored, as under nohup, still is.
            first: called when the first one comes.
            second: called when another one comes, before it ends the process.
            afterwards: the handler from the first one on; None: the one before.
        """
        self.received: int | None = None
        self._names, self._first, self._second = names, first, second
        self._afterwards = afterwards
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        for name in self._names:
            number = getattr(signal, name, None)  # no SIGUSR1 on Windows
            if number is None or (name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN):
                continue
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
                self._leave_to_system()
            return
        if self._second is not None:
            self._second()
        self._leave_to_system()
        signal.raise_signal(number)

    def _leave_to_system(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, self._afterwards or without_delay(handler))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, self._afterwards or handler)
        self._before.clear()
