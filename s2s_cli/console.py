"""Talk on stderr: messages, and a progress bar where a person watches."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def say(message: str) -> None:
    """One line of talk on stderr; stdout carries data only."""
    print(message, file=sys.stderr, flush=True)


def warn(message: str) -> None:
    """One line on stderr that something may not be as the user expects."""
    say(f"warning: {message}")


@contextmanager
def progress(title: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
    """A bar on stderr while it is a terminal, nothing otherwise; yields ``advance(steps)``."""
    if not sys.stderr.isatty():
        yield lambda steps: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} " + unit),
        TimeRemainingColumn(),
    )
    # Redirection would swallow data that a command prints while the bar is up.
    with Progress(
        *columns,
        console=Console(stderr=True),
        redirect_stdout=False,
        redirect_stderr=False,
        transient=True,
    ) as bar:
        task = bar.add_task(title, total=total)
        yield lambda steps: bar.advance(task, steps)
