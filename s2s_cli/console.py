"""Messages on stderr, and a progress bar where a person watches."""

import os
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

_Item = TypeVar("_Item")

# The bars on the terminal now; a message has to be put above them.
bars: list["Progress"] = []
# File names, and text of files, may hold what would end a line or drive a terminal.
CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {10: "\\n"}
# A line to be printed above the first one.
heading: list[str] = []
# True if another process prints the messages.
silent = False
# Of a line that fits any terminal.
COLUMNS = 80
# True if the user wants warnings and errors only.
quiet = False
# From here on, a number with all of its digits tells less than one with a power of ten.
LARGE = 1e9
ITEMS_PER_STEP = 1000


def silence() -> None:
    """Print no more messages in this process: another one does."""
    global silent
    silent = True


def be_quiet() -> None:
    """Print warnings and errors only, from here on."""
    global quiet
    quiet = True
    heading.clear()


def is_quiet() -> bool:
    """True after `be_quiet`."""
    return quiet


def say(message: str) -> None:
    """Print a line on stderr; stdout carries data only."""
    if not quiet:
        say_line(message)


def say_line(message: str) -> None:
    """Print a line on stderr, above the progress bar."""
    if silent:
        return
    say_head()
    if bars:
        # Data, not markup: [1] and :smile: are printed as they are, and lines are not folded.
        line = message.translate(CONTROLS)
        bars[-1].console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)
    else:
        write_line(message)


def say_folded(message: str) -> None:
    """Print a long line as several of at most `COLUMNS` characters, the later ones indented."""
    for line in textwrap.wrap(
        message, COLUMNS, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    ):
        say(line)


def write_line(message: str) -> None:
    """Write a line to stderr, even where another process prints the messages."""
    # One write: lines of processes that share stderr do not run into each other.
    Stderr().write(message.translate(CONTROLS) + "\n")


class Stderr:
    """The stderr of now; where nothing can be written, work that goes well goes on."""

    def write(self, text: str) -> int:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:  # a full disk, a closed terminal
            # Python would try again at its end, and change the exit code.
            sys.stderr = open(os.dup(2), "w", errors="backslashreplace")  # noqa: SIM115, PTH123
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


def readable(value: float, decimals: int) -> str:
    """``value`` with so many decimals; a large one with as many digits and a power of ten."""
    return f"{value:.{decimals}f}" if abs(value) < LARGE else f"{value:.{decimals}e}"


def counted(count: int, noun: str, plural: str = "") -> str:
    """A number of things: ``1 line``, ``1,200 lines``; ``plural`` where it is not ``noun``s."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def fitted(value: float, width: int, decimals: int) -> str:
    """``value`` in ``width`` characters, 6 or more: ``decimals``, or fewer, or a power of ten."""
    texts = [f"{value:,.{digits}f}" for digits in range(decimals, -1, -1)]
    texts += [f"{value:.{digits}e}" for digits in range(width, -1, -1)]
    return next((text for text in texts if len(text) <= width), texts[-1])


def head(line: str) -> None:
    """Have ``line`` printed above all others, by the first `say` or at the latest by `say_head`."""
    heading[:] = [] if quiet else [line]


def say_head() -> None:
    """Print the line that would stand above others, where there are none."""
    if heading:
        say_line(heading.pop())


def warn(message: str) -> None:
    """Print a line on stderr about something that the user may not expect."""
    say_line(f"warning: {message}")


@contextmanager
def progress(
    title: str, total: int | Callable[[], int | None] | None, unit: str, *, shown: bool = True
) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr if it is a terminal; yields ``advance(steps)``.

    Args:
        title: what is being done.
        total: steps, if they are known; a function of them is called only for a bar.
        unit: the name of a step.
        shown: False where the terminal has better uses: a person types on it, or data is printed
            there, which the bar would run into.
    """
    if not shown or silent or quiet or not sys.stderr.isatty():
        yield lambda steps: None
        return
    from rich.console import Console
    from rich.progress import Progress

    steps = total() if callable(total) else total
    # Redirection would swallow data that a command prints while the bar is up.
    with Progress(
        *bar_columns(unit, known=steps is not None),
        console=Console(file=cast(IO[str], Stderr())),
        redirect_stdout=False,
        redirect_stderr=False,
        transient=True,
        expand=True,
    ) as bar:
        task = bar.add_task(title, total=steps)
        bars.append(bar)
        try:
            yield lambda steps: bar.advance(task, steps)
        finally:
            bars.remove(bar)


def bar_columns(unit: str, *, known: bool) -> "Iterator[ProgressColumn]":
    """The columns of a progress bar, which has the width that they leave."""
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    yield TextColumn("{task.description}", markup=False)
    yield BarColumn(bar_width=None)
    count = "{task.completed:,.0f}" + ("/{task.total:,.0f}" if known else "")
    yield TextColumn(f"{count} {unit}", markup=False)
    if known:
        yield TextColumn("{task.percentage:.0f} %", markup=False)
        yield TimeRemainingColumn()
        yield TextColumn("left")
    else:
        yield TimeElapsedColumn()


@contextmanager
def progress_over(
    items: Iterable[_Item], title: str, total: Callable[[], int | None], unit: str
) -> Iterator[Iterable[_Item]]:
    """Show a bar as `progress` does; yields ``items``, which advance it."""
    with progress(title, total, unit) as advance:
        yield advancing(items, advance) if bars else items


def advancing(items: Iterable[_Item], advance: Callable[[int], None]) -> Iterator[_Item]:
    """Yield ``items`` and advance a bar by them, many at a time: a step takes long itself."""
    number = 0
    for number, each in enumerate(items, 1):
        yield each
        if number % ITEMS_PER_STEP == 0:
            advance(ITEMS_PER_STEP)
    advance(number % ITEMS_PER_STEP)
