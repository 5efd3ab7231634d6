"""Fixtures that every room's tests share."""

import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import gpus
import pytest
import warm
from hypothesis import HealthCheck, settings

# The gate tries the same examples each time. `pytest --hypothesis-profile search` tries many more,
# drawn anew.
settings.register_profile(
    "gate",
    derandomize=True,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("search", settings.get_profile("gate"), derandomize=False)
settings.load_profile("gate")

# `auto` is the CPU, and nothing begins CUDA before `warm` forks; tests of GPUs start processes that
# see them.
os.environ.setdefault(gpus.VISIBLE, os.environ.get("CUDA_VISIBLE_DEVICES", gpus.ALL))
os.environ["CUDA_VISIBLE_DEVICES"] = ""

# A shell starts what runs in its background with Ctrl-C ignored, and programs pass that on.
signal.signal(signal.SIGINT, signal.default_int_handler)

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
Popen = Callable[..., "subprocess.Popen[Any]"]

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
# Elsewhere sockets keep no messages apart, and a program may not go on after a fork.
CAN_FORK = sys.platform == "linux"


@pytest.fixture(scope="session")
def warm_server() -> Iterator[str]:
    """The socket of a process that starts ``s2s`` fast (`warm`); empty where there can be none."""
    if not CAN_FORK:
        yield ""
        return
    with tempfile.TemporaryDirectory(prefix="s2s-") as folder:  # names of sockets are short
        path = f"{folder}/socket"
        server = subprocess.Popen([sys.executable, warm.__file__, "serve", path], stdin=-1)
        while not os.path.exists(path):  # noqa: PTH110 - a socket
            assert server.poll() is None
            time.sleep(0.02)
        yield path
        server.communicate()


def interpreter(arguments: list[str]) -> list[str]:
    """``s2s ARGUMENTS`` begun anew, or the script that they are (``-c``)."""
    return [sys.executable, *([] if arguments[:1] == ["-c"] else ["-m", "s2s_cli"]), *arguments]


@pytest.fixture(scope="session")
def s2s(warm_server: str) -> Run:
    """Run ``s2s ARGUMENTS`` as a real process: ``s2s("vocab", cwd=..., input=b"...")``.

    ``stderr`` is a file for it, from where nothing is read.
    """

    def run(
        *arguments: str | Path,
        cwd: Path | None = None,
        input: bytes = b"",
        timeout: float = 240,
        stderr: str = "",
    ) -> "subprocess.CompletedProcess[bytes]":
        words = [str(each) for each in arguments]
        if not warm_server:
            command = interpreter(words)
            with open(stderr, "wb") if stderr else nullcontext(subprocess.PIPE) as errors:  # noqa: PTH123
                return subprocess.run(
                    command,
                    cwd=cwd,
                    input=input,
                    timeout=timeout,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    check=False,
                )
        with ExitStack() as stack:
            streams = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
            if stderr:
                streams[2] = stack.enter_context(open(stderr, "w+b"))  # noqa: PTH123
            streams[0].write(input)
            streams[0].seek(0)
            numbers = [each.fileno() for each in streams]
            asked = warm.ask(warm_server, words, str(cwd or Path.cwd()), numbers)
            connection = stack.enter_context(asked)
            connection.settimeout(timeout)
            warm.number(connection)
            code = warm.number(connection)
            outputs = [os.pread(each, os.fstat(each).st_size, 0) for each in numbers[1:]]
        return subprocess.CompletedProcess(["s2s", *words], code, *outputs)

    return run


@pytest.fixture(scope="session")
def popen(warm_server: str) -> Popen:
    """`subprocess.Popen` of ``s2s ARGUMENTS``: ``popen(["decode"], cwd=..., stdin=PIPE)``."""
    if warm_server:
        return partial(warm.Popen, warm_server)

    def start(arguments: list[str], **options: Any) -> "subprocess.Popen[Any]":
        if variables := options.pop("env", None):
            options["env"] = {**os.environ, **variables}
        return subprocess.Popen(interpreter(arguments), **options)

    return start


@pytest.fixture(scope="module")
def fast_s2s(warm_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The ``s2s`` and the Python on the ``PATH`` are those of these tests, and start fast."""
    program = tmp_path_factory.mktemp("bin") / "s2s"
    words = ["-S", "-E", warm.__file__, "run", warm_server] if warm_server else ["-m", "s2s_cli"]
    command = shlex.join([sys.executable, *words])
    program.write_text(f'#!/bin/sh\nexec {command} "$@"\n', "utf-8")
    program.chmod(0o755)
    python = Path(sys.executable).parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "PATH", os.pathsep.join(map(str, (program.parent, python, os.environ["PATH"])))
        )
        yield


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real text; the tests that need it say so where it is missing."""
    folder = os.environ.get("S2S_DATA")
    if not folder:
        pytest.skip("needs real text: set S2S_DATA to the folder that has it (see CONTRIBUTING.md)")
    return Path(folder).resolve()


@pytest.fixture(scope="session")
def pretend_gpus() -> gpus.Gpus:
    """Eight GPUs that are none; the tests that need them are marked, and skipped elsewhere."""
    return gpus.pretend()


@pytest.fixture(
    params=[
        pytest.param(gpus.pretend, marks=pytest.mark.mock_cuda, id="pretend"),
        pytest.param(gpus.real, marks=pytest.mark.gpu, id="real"),
    ],
    scope="session",
)
def either_gpus(request: pytest.FixtureRequest) -> gpus.Gpus:
    """Pretend GPUs and the machine's own, one after another."""
    found: gpus.Gpus = request.param()
    return found


ENGLISH = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
FRENCH = ["un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix"]

TINY_SETTINGS = """
[train]
layers = 1
hidden-size = 16
embedding-size = 16
batch-size = 10
epochs = 8
optimiser = "adam"
learning-rate = 0.03
device = "cpu"
threads = 1

[decode]
beam = 3
threads = 1

[rescore]
threads = 1
"""


@pytest.fixture(scope="session")
def tiny_experiment(s2s: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment directory after prep, vocab and train: s2s.toml, corpus, data and model.

    Digits in words, one for one; the source is reversed. For reading only: copy what a test
    changes (`shutil.copytree`).
    """
    directory = tmp_path_factory.mktemp("tiny")
    (directory / "corpus").mkdir()
    (directory / "s2s.toml").write_text(TINY_SETTINGS, "utf-8")
    draw = random.Random(1)
    for split, count in (("train", 200), ("valid", 20), ("test", 10)):
        pairs = [[draw.randrange(10) for _ in range(draw.randint(1, 5))] for _ in range(count)]
        for language, words in (("en", ENGLISH), ("fr", FRENCH)):
            lines = (" ".join(words[digit] for digit in pair) + "\n" for pair in pairs)
            (directory / "corpus" / f"{split}.{language}").write_text("".join(lines), "utf-8")
    for arguments in (["prep", "--reverse-source"], ["vocab"], ["train"]):
        run = s2s(*arguments, cwd=directory)
        assert run.returncode == 0, run.stderr.decode()
    return directory


@pytest.fixture
def experiment(tiny_experiment: Path, tmp_path: Path) -> Path:
    """A corpus and settings, and no model yet."""
    directory = tmp_path / "experiment"
    directory.mkdir()
    shutil.copy(tiny_experiment / "s2s.toml", directory)
    (directory / "data").symlink_to(tiny_experiment / "data")
    return directory
