"""Messages on stderr: one line each, whatever is in them, and the work goes on without them."""

import io
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from unittest.mock import patch

import pytest
from conftest import linux_only

from s2s_cli import console
from s2s_cli.files import as_text


def test_a_message_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    console.say("a\nb\x1b[31m\x85\u2028é")
    assert capsys.readouterr().err == "a\\nb\\x1b[31m\\x85\u2028é\n"
    assert as_text(Path("a\n\udcffé")) == "a\\n\\xffé"


def test_a_heading_stands_above_the_first_message_or_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console.head("above")
    console.say("first")
    console.say("second")
    console.say_head()
    assert capsys.readouterr().err == "above\nfirst\nsecond\n"
    console.head("alone")
    console.say_head()
    assert capsys.readouterr().err == "alone\n"


WRITER = """
from s2s_cli.commands.command import fail
from s2s_cli.console import say

say("x" * 10_000)
say("one more")
print("done")
fail("an error", 3)
"""


@linux_only
def test_a_full_disk_changes_neither_work_nor_exit_code() -> None:
    with Path("/dev/full").open("w") as stderr:
        run = subprocess.run(
            [sys.executable, "-c", WRITER], stdout=subprocess.PIPE, stderr=stderr, check=False
        )
    assert (run.returncode, run.stdout) == (3, b"done\n")


class Terminal(io.StringIO):
    """What a terminal is sent."""

    def isatty(self) -> bool:
        return True


@contextmanager
def terminal_as_stderr() -> Iterator[Terminal]:
    """A terminal of 80 columns."""
    variables = {"TERM": "xterm", "COLUMNS": "80", "NO_COLOR": "1"}
    with patch.dict("os.environ", variables), redirect_stderr(Terminal()) as terminal:
        yield terminal


def test_a_bar_has_its_total_a_share_and_the_time_left() -> None:
    with (
        terminal_as_stderr() as terminal,
        console.progress("reading", lambda: 4000, "lines") as advance,
    ):
        advance(1000)
        console.bars[-1].refresh()
    *_, last = terminal.getvalue().split("\x1b[2K")[:-1]
    line = last.partition("\n")[0]
    assert line.endswith("1,000/4,000 lines 25 % -:--:-- left") and len(line) == 80


@pytest.mark.parametrize(
    ("total", "shown"), [(2500, "2,500/2,500 lines 100 %"), (None, "2,500 lines 0:00:00")]
)
def test_a_bar_follows_items(total: int | None, shown: str) -> None:
    with (
        terminal_as_stderr() as terminal,
        console.progress_over(range(2500), "reading", lambda: total, "lines") as items,
    ):
        assert list(items) == list(range(2500))
    assert shown in terminal.getvalue()


def test_where_nobody_watches_nothing_is_counted() -> None:
    def total() -> int:
        raise AssertionError

    items = range(3)
    with console.progress_over(items, "reading", total, "lines") as same:
        assert same is items
