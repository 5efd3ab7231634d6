"""Messages on stderr: one line each, whatever is in them, and the work goes on without them."""

import subprocess
import sys
from pathlib import Path

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
