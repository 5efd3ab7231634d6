"""A command that is killed leaves nothing; the short form of `kills`, which tries more moments."""

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import warm
from conftest import linux_only
from kills import PATIENCE, comes_true, leftovers, marked, workers

pytestmark = linux_only
TWO = ["--gpus", "2", "--device", "cpu"]
TRAIN = ["train", *TWO, "--layout", "data", "--model", "new", "--epochs", "9999"]
DECODE = ["decode", *TWO, "--output", "new.fr"]


class Started:
    """A command, started fast.

    Attributes:
        folder: of its temporary files.
        place: its working directory.
        process: its number.
    """

    def __init__(
        self, server: str, arguments: list[str], place: Path, stdin: int, stdout: int
    ) -> None:
        self.place, self.folder = place, place / "tmp"
        self.folder.mkdir(exist_ok=True)
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115
        streams = [stdin, stdout, self.errors.fileno()]
        temporary = {"TMPDIR": str(self.folder)}
        # Their environment is looked into, and they are killed while they import.
        self.connection = warm.ask(server, arguments, str(place), streams, temporary, spawns=True)
        self.process = warm.number(self.connection)

    def end(self) -> tuple[int, str]:
        """Wait for its end; exit code, and what it said."""
        self.connection.settimeout(PATIENCE)
        code = warm.number(self.connection)
        return code, os.pread(self.errors.fileno(), 1 << 16, 0).decode()

    def close(self) -> None:
        for each in marked(self.folder):
            os.kill(each, signal.SIGKILL)
        self.errors.close()
        self.connection.close()


Start = Callable[..., Started]


@pytest.fixture
def place(tiny_experiment: Path, tmp_path: Path) -> Path:
    for each in ("data", "model", "s2s.toml"):
        (tmp_path / each).symlink_to(tiny_experiment / each)
    return tmp_path


@pytest.fixture
def start(warm_server: str, place: Path) -> Iterator[Start]:
    """Start a command; its input stays open, unless another one is given."""
    with ExitStack() as stack:
        pipe = [
            stack.enter_context(open(each, mode, buffering=0))  # noqa: PTH123
            for each, mode in zip(os.pipe(), ("rb", "wb"), strict=True)
        ]

        def begin(arguments: list[str], stdin: int = pipe[0].fileno(), stdout: int = 2) -> Started:
            started = Started(warm_server, arguments, place, stdin, stdout)
            stack.callback(started.close)
            return started

        yield begin


def assert_gone(started: Started, *, tidy: bool) -> None:
    directory = started.place / "new"
    assert not list(leftovers(started.folder, directory, tidy=tidy, seconds=PATIENCE))


@pytest.mark.parametrize("arguments", [TRAIN, DECODE], ids=["train", "decode"])
@pytest.mark.parametrize("seconds", [0, 0.4])
def test_workers_end_with_their_parent_while_they_start(
    arguments: list[str], seconds: float, start: Start
) -> None:
    """Seconds are from when there are two; they import for longer than that."""
    started = start(arguments)
    assert comes_true(lambda: len(workers(started.folder)) == 2, PATIENCE)
    time.sleep(seconds)
    os.kill(started.process, signal.SIGKILL)
    assert started.end() == (-signal.SIGKILL, "")
    assert_gone(started, tidy=False)


@pytest.mark.parametrize(
    ("arguments", "number", "said"),
    [
        (DECODE, signal.SIGINT, "s2s: interrupted\n"),
        (TRAIN, signal.SIGTERM, "\n"),
    ],
)
def test_a_signal_while_workers_start_ends_all(
    arguments: list[str], number: signal.Signals, said: str, start: Start
) -> None:
    started = start(arguments)
    assert comes_true(lambda: bool(workers(started.folder)), PATIENCE)
    os.kill(started.process, number)
    code, told = started.end()
    assert code == 128 + number
    assert told.endswith(said)
    assert "Traceback" not in told
    assert_gone(started, tidy=True)


def waits(process: int) -> bool:
    """Whether a process has done nothing for a moment."""

    def state() -> tuple[str, ...]:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return fields[0], *fields[11:13]

    before = state()
    time.sleep(0.2)
    return before[0] == "S" and before == state()


@pytest.mark.parametrize(
    ("arguments", "number", "said"),
    [
        (["score", "pipe"], signal.SIGTERM, "terminated"),
        (["decode", "--output", "new.fr"], signal.SIGINT, "interrupted"),
        (["prep", "--filter", "en"], signal.SIGTERM, "terminated"),
    ],
    ids=["open", "read", "write"],
)
def test_a_signal_ends_what_waits_at_a_pipe(
    arguments: list[str], number: signal.Signals, said: str, place: Path, start: Start
) -> None:
    os.mkfifo(place / "pipe")
    (place / "many").write_text("one two\n" * 40_000)
    unread, full = os.pipe()
    with (place / "many").open("rb") as many, open(unread, "rb"), open(full, "wb"):  # noqa: PTH123
        streams = {"stdin": many.fileno(), "stdout": full} if "--filter" in arguments else {}
        started = start(arguments, **streams)
        assert comes_true(lambda: waits(started.process), PATIENCE)
        os.kill(started.process, number)
        assert started.end() == (128 + number, f"s2s: {said}\n")
    assert_gone(started, tidy=True)
