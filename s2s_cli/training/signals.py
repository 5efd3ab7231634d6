"""Signals ask a training to stop after the update it is in."""

import signal
from types import FrameType, TracebackType


class StopSignals:
    """While active, the first SIGTERM, SIGINT or SIGUSR1 is noted; a second one acts at once."""

    NAMES = ("SIGTERM", "SIGINT", "SIGUSR1")

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> "StopSignals":
        for name in self.NAMES:
            number = getattr(signal, name, None)  # no SIGUSR1 on Windows
            if number is not None:
                self._before[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before.clear()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()
