"""Pipes that close, people at terminals, full disks: stdout is data, stderr is talk."""

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import IO

import pytest
from conftest import Popen, Run

S2S = [sys.executable, "-m", "s2s_cli"]
PATIENCE = 120  # against hanging for ever; nothing is measured
# On one device, and on two that are virtual.
devices = pytest.mark.parametrize("devices", [[], ["--gpus", "2", "--device", "cpu"]], ids=len)


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a pseudo-terminal: the person's, and the program's."""
    ends = pty.openpty()
    yield ends
    for end in ends:
        with suppress(OSError):
            os.close(end)


def read_line(stream: IO[bytes]) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        assert select.select([stream], [], [], PATIENCE)[0], f"nothing after {line!r}"
        byte = os.read(stream.fileno(), 1)
        if not byte:
            break
        line += byte
    return line


@devices
def test_a_reader_who_leaves_is_not_complained_to(
    devices: list[str], tiny_experiment: Path, popen: Popen
) -> None:
    process = popen(
        ["decode", "--batch-size", "1", *devices],
        cwd=tiny_experiment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin and process.stdout and process.stderr
    with process:
        process.stdin.write(b"one two\n" * 40)
        process.stdin.flush()
        assert read_line(process.stdout)
        process.stdout.close()
        # The input stays open: it must leave although more could come.
        with suppress(BrokenPipeError):
            process.stdin.write(b"one two\n" * 40)
            process.stdin.flush()
        assert process.wait(PATIENCE) == 141
        assert process.stderr.read() == b""
        with suppress(BrokenPipeError):
            process.stdin.close()


@devices
def test_a_person_is_answered_line_by_line(
    devices: list[str], tiny_experiment: Path, terminal: tuple[int, int], s2s: Run
) -> None:
    expected = s2s("decode", cwd=tiny_experiment, input=b"one two\nthree\n").stdout.split(b"\n")
    person, program = terminal
    process = subprocess.Popen(
        [*S2S, "decode", *devices],
        cwd=tiny_experiment,
        stdin=program,
        stdout=subprocess.PIPE,
        stderr=program,
    )
    assert process.stdout
    invited = ""
    with process:
        while not invited.endswith("Ctrl-D ends\r\n"):  # before anything is typed
            invited += os.read(person, 4096).decode()
        for typed, answer in zip((b"one two\n", b"three\n"), expected, strict=False):
            os.write(person, typed)
            assert read_line(process.stdout) == answer + b"\n"
        os.write(person, b"\x04")  # the end of the input
        assert process.stdout.read() == b""
        assert process.wait(PATIENCE) == 0
    # Nothing is drawn over what is being typed: it comes back as an echo, and then a summary.
    shown = os.read(person, 4096).decode()
    assert invited.startswith("settings from s2s.toml\r\ntype a sentence")
    assert shown.startswith("one two\r\nthree\r\n2 lines")
    assert "\x1b" not in invited + shown


@devices
def test_an_interrupt_at_the_prompt_ends_in_one_word(
    devices: list[str], tiny_experiment: Path, terminal: tuple[int, int], popen: Popen
) -> None:
    person, program = terminal
    process = popen(
        ["decode", *devices],
        cwd=tiny_experiment,
        stdin=program,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout and process.stderr
    with process:
        os.write(person, b"one two\n")
        assert read_line(process.stdout)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
        *before, last = process.stderr.read().splitlines()
        assert before[-1].startswith(b"type a sentence") and last == b"s2s: interrupted"


def run_before_a_person(
    popen: Popen,
    arguments: list[str],
    terminal: tuple[int, int],
    cwd: Path,
    stdin: Path,
    stdout: Path,
) -> bytes:
    """What a terminal that is stderr alone is sent while a command runs."""
    person, program = terminal
    shown = bytearray()

    def watch() -> None:
        with suppress(OSError):  # the other end is closed
            while block := os.read(person, 4096):
                shown.extend(block)

    watching = Thread(target=watch)
    watching.start()
    with stdin.open("rb") as source, stdout.open("wb") as out:
        streams = {"stdin": source, "stdout": out, "stderr": program}
        with popen(arguments, cwd=cwd, env={"TERM": "xterm"}, **streams) as process:
            assert process.wait(PATIENCE) == 0
    os.close(program)
    watching.join(PATIENCE)
    return bytes(shown)


def test_progress_is_for_the_terminal_alone(
    tiny_experiment: Path, terminal: tuple[int, int], tmp_path: Path, s2s: Run, popen: Popen
) -> None:
    text, out = tiny_experiment / "corpus" / "test.en", tmp_path / "out"
    shown = run_before_a_person(popen, ["decode"], terminal, tiny_experiment, text, out)
    piped = s2s("decode", cwd=tiny_experiment, input=text.read_bytes())
    assert out.read_bytes() == piped.stdout
    assert b"decoding" in shown and b"\x1b[" in shown, "there was no progress to keep apart"
    assert b"10/10 lines" in shown, "the number of lines of a file is known beforehand"
    assert b"\x1b" not in piped.stdout + piped.stderr


def test_messages_stand_on_lines_of_their_own_above_the_bar(
    tiny_experiment: Path, terminal: tuple[int, int], tmp_path: Path, popen: Popen
) -> None:
    (tmp_path / "data").symlink_to(tiny_experiment / "data")
    shutil.copy(tiny_experiment / "s2s.toml", tmp_path)
    arguments = ["train", "--max-updates", "4", "--log-every", "1"]
    nothing = Path(os.devnull)
    shown = run_before_a_person(popen, arguments, terminal, tmp_path, nothing, nothing).decode()
    assert "training" in shown, "there was no bar"
    for number in range(1, 5):
        line = next(line for line in shown.split("\n") if f"update {number} " in line)
        # Whatever was there before is erased, or the cursor is at the beginning.
        erased = line.rpartition("\x1b[2K")[2].lstrip("\r")
        assert erased.startswith(f"update {number} ")


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(
    "line",
    [
        "--version",
        "--help",
        "train --dump-config",
        "prep --filter en",
        "score corpus/test.fr --bare chrf",
        "decode --output /dev/full",
        "rescore list",
    ],
)
def test_a_full_disk_is_told(
    line: str, tiny_experiment: Path, tmp_path: Path, popen: Popen
) -> None:
    to_stdout = "/dev/full" not in line
    (tmp_path / "list").write_bytes(b"0 ||| un ||| ||| -1\n")
    for name in ("corpus", "model"):
        (tmp_path / name).symlink_to(tiny_experiment / name)
    source = tiny_experiment / "corpus" / "test.fr"
    with source.open("rb") as stdin, FULL.open("wb") as full:
        stdout = full if to_stdout else subprocess.DEVNULL
        streams = {"stdin": stdin, "stdout": stdout, "stderr": subprocess.PIPE}
        with popen(line.split(" "), cwd=tmp_path, **streams) as process:
            assert process.stderr
            stderr = process.stderr.read()
    told = stderr.decode().splitlines()[-1]
    assert process.returncode == 1
    assert told.startswith("s2s: ") and told.endswith("no space left on device")
    assert b"Traceback" not in stderr
    if not to_stdout:
        assert "/dev/full" in told


def test_streams_that_the_caller_closed(tiny_experiment: Path) -> None:
    line = f'"{sys.executable}" -m s2s_cli decode'
    for closed in ("<&-", ">&- 2>&-"):
        run = subprocess.run(
            ["sh", "-c", f"{line} {closed}"],
            cwd=tiny_experiment,
            input=b"one\n",
            capture_output=True,
            check=False,
        )
        assert run.returncode == 0
        assert run.stdout == b""
        assert b"Traceback" not in run.stderr


@pytest.mark.skipif(not FULL.exists(), reason="has no /dev/full")
def test_stderr_on_a_full_disk_ends_nothing(
    s2s: Run, tiny_experiment: Path, tmp_path: Path
) -> None:
    whole = s2s("decode", cwd=tiny_experiment, input=b"one two\nthree\n")
    full = s2s("decode", cwd=tiny_experiment, input=b"one two\nthree\n", stderr=str(FULL))
    assert (full.returncode, full.stdout) == (0, whole.stdout)
    for name in ("corpus", "data", "s2s.toml"):
        (tmp_path / name).symlink_to(tiny_experiment / name)
    assert s2s("train", "--epochs", "1", cwd=tmp_path, stderr=str(FULL)).returncode == 0
    assert (tmp_path / "model" / "last.pt").is_file()
    assert s2s("decode", "--model", "no", cwd=tmp_path, stderr=str(FULL)).returncode == 1
    assert s2s("score", "", cwd=tmp_path, stderr=str(FULL)).returncode == 2
