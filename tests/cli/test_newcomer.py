"""The first hour: at a terminal, by the commands that the program itself suggests."""

import fcntl
import os
import pty
import re
import select
import shlex
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import Popen

ROOT = Path(__file__).parents[2]
GENERATOR = ROOT / "recipes" / "numbers_en_fr" / "number_phrases.py"
LINES, COLUMNS = 24, 80
PATIENCE = 120  # against hanging for ever; nothing is measured
# A cursor that goes up, or to the start of its line, or a line that is erased, begins anew.
ERASED = re.compile(r"\x1b\[[0-9]*[AK]|\r")
SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
PROMPT = "Ctrl-D ends\r\n"


class Terminal:
    """A person at a terminal of 80 columns."""

    def __init__(self, popen: Popen, directory: Path) -> None:
        self.popen, self.directory = popen, directory
        self.person, self.program = pty.openpty()
        size = struct.pack("HHHH", LINES, COLUMNS, 0, 0)
        fcntl.ioctl(self.program, termios.TIOCSWINSZ, size)
        self.shown = ""

    def run(self, line: str, typed: str = "") -> str:
        """Run an s2s command and see what is shown; ``typed`` is typed when it is asked for."""
        begin = len(self.shown)
        program, *arguments = shlex.split(line)
        assert program == "s2s"
        ends = {"stdin": self.program, "stdout": self.program, "stderr": self.program}
        with self.popen(arguments, cwd=self.directory, env={"TERM": "xterm"}, **ends) as process:
            if typed:
                self.wait_for(PROMPT, begin)
                os.write(self.person, f"{typed}\n".encode())
                # The echo of what is typed, and the answer.
                self.wait_for("\r\n", self.wait_for(f"{typed}\r\n", begin))
                os.write(self.person, b"\x04")
            while process.poll() is None:
                self.read(0.05)
        while self.read(0):
            pass
        assert process.returncode == 0, self.shown[begin:]
        return self.shown[begin:]

    def wait_for(self, text: str, begin: int) -> int:
        """Wait until ``text`` is shown; where it ends."""
        while text not in self.shown[begin:]:
            assert self.read(PATIENCE), f"no {text!r} in {self.shown[begin:]!r}"
        return self.shown.index(text, begin) + len(text)

    def read(self, seconds: float) -> bool:
        """Take what is shown within so many seconds, if anything is."""
        if not select.select([self.person], [], [], seconds)[0]:
            return False
        self.shown += os.read(self.person, 1 << 16).decode()
        return True

    def close(self) -> None:
        for end in (self.person, self.program):
            with suppress(OSError):
                os.close(end)


@pytest.fixture
def terminal(popen: Popen, tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(popen, tmp_path)
    yield made
    made.close()


def drawn(shown: str) -> list[str]:
    """Every line that was on the screen at some time."""
    lines = [part for line in shown.split("\n") for part in ERASED.split(line)]
    return [SEQUENCE.sub("", line) for line in lines]


def next_command(shown: str) -> str:
    last = drawn(shown.rstrip())[-1]
    assert last.startswith("next: s2s "), shown
    return last.removeprefix("next: ")


def test_from_an_empty_directory_to_an_own_translation(terminal: Terminal) -> None:
    sizes = ["--train", "500", "--valid", "20", "--test", "12"]
    generate = [sys.executable, str(GENERATOR), "corpus", *sizes]
    subprocess.run(generate, cwd=terminal.directory, check=True)
    assert "s2s init" in terminal.run("s2s --help")
    followed = ["s2s init --preset toy"]
    shown = terminal.run(followed[0])
    while not followed[-1].startswith("s2s score"):
        followed.append(next_command(shown))
        typed = "two hundred and ninety-one" if followed[-1] == "s2s decode" else ""
        shown = terminal.run(followed[-1], typed=typed)
        if typed:
            _, translation, *_ = shown.partition(PROMPT)[2].split("\r\n")
            assert translation.strip(), shown
    assert followed[1:] == [
        "s2s prep",
        "s2s vocab",
        "s2s train",
        "s2s decode",
        "s2s decode corpus/test.en --output out.fr",
        "s2s score corpus/test.fr out.fr",
    ]
    assert "BLEU (tokenised) = " in shown
    assert (terminal.directory / "out.fr").read_text("utf-8").count("\n") == 12
    whole = terminal.shown
    assert "240/240 updates" in whole and "12/12 lines" in whole, "bars have totals"
    assert "Traceback" not in whole and "are too many for" not in whole
    too_wide = [line for line in drawn(whole) if len(line) > COLUMNS and "|version:" not in line]
    assert not too_wide, "of what is long, only signatures of scores"
