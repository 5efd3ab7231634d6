"""Runs ``s2s`` commands in which one chosen call to the system fails; see `Shop`.

How: in a forked process the Python functions through which every writer of the package goes are
replaced by ones that count their calls and let one fail. ``open`` for writing gives a `FileIO`
whose ``write`` is counted, so each call there is one write(2), also under a buffer, gzip or
``torch.save``, which writes into the stream that it is given. Only what happens below the
experiment's directory counts, so the numbers are those of the command's own files.

Not seen: calls that C code makes by itself (a memory map, stdout of the C library), calls of
processes that the command starts, and what a power cut does to bytes that were not synced yet. For
those there are real limits (`test_real_limits`), a real full disk (`full_disk.sh`) and the order
of calls, which `test_faults` checks: each file is synced before it takes its name.
"""

import builtins
import errno
import io
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, NoReturn

DIED = 99
ERRORS = {"full": errno.ENOSPC, "broken": errno.EIO}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
PACKAGE_ROOT = Path(__file__).parents[2]
Call = tuple[str, str]


@dataclass(frozen=True)
class Fault:
    """What happens at the call of that ``number``, from 1, to an ``operation``.

    ``how`` is "full" (ENOSPC), "broken" (EIO), "short" (some of the bytes are written) or "death"
    (the process ends there; of a write, half is done).
    """

    operation: str
    number: int
    how: str


@dataclass
class Result:
    """How a command ended, and its calls in order: the operation and the path."""

    code: int
    stderr: str
    calls: list[Call] = field(default_factory=list)

    def count(self) -> Counter[str]:
        return Counter(operation for operation, _ in self.calls)


class Calls:
    """Counts calls, and lets one fail."""

    def __init__(self, root: str, fault: Fault | None) -> None:
        self.root, self.fault = os.path.realpath(root), fault
        self.seen: list[Call] = []
        self.number: Counter[str] = Counter()
        self.paths: dict[int, str] = {}

    def inside(self, path: str) -> bool:
        return os.path.realpath(path).startswith(self.root)  # the directory itself, too

    def note(self, operation: str, where: Any) -> str | None:
        """Count a call; how it has to fail, if it has to."""
        if isinstance(where, int):
            path = self.paths.get(where, "")
        else:
            path = os.path.abspath(os.fspath(where))  # noqa: PTH100
        if not path or not self.inside(path):
            return None
        self.number[operation] += 1
        self.seen.append((operation, os.path.relpath(path, self.root)))
        fault = self.fault
        if fault and (operation, self.number[operation]) == (fault.operation, fault.number):
            return fault.how
        return None

    def check(self, operation: str, where: Any) -> None:
        """Count a call that fails as a whole or not at all."""
        how = self.note(operation, where)
        if how == "death":
            os._exit(DIED)
        if how in ERRORS:
            name = None if isinstance(where, int) else os.fspath(where)
            raise OSError(ERRORS[how], os.strerror(ERRORS[how]), name)


def install(calls: Calls) -> None:
    """Replace the functions that write, for the rest of this process."""
    real_open = io.open

    class Raw(io.FileIO):
        def write(self, data: Any) -> int:
            how = calls.note("write", self.fileno())
            view = memoryview(data).cast("B")
            if how in ERRORS:
                raise OSError(ERRORS[how], os.strerror(ERRORS[how]))
            if how == "short" and len(view) > 1:
                view = view[: len(view) // 2]
            if how == "death":
                super().write(view[: len(view) // 2])
                os._exit(DIED)
            return super().write(view)

        def truncate(self, size: int | None = None) -> int:
            calls.check("truncate", self.fileno())
            return super().truncate(size)

    def faulty_open(
        file: Any, mode: str = "r", buffering: int = -1, *arguments: Any, **options: Any
    ) -> Any:
        binary = mode.replace("b", "")
        known = calls.paths.get(file) if isinstance(file, int) else None
        if not set("wax+") & set(mode) or (isinstance(file, int) and known is None):
            return real_open(file, mode, buffering, *arguments, **options)
        if known is None:
            calls.check("open", file)
        opener = options.pop("opener", None)
        raw = Raw(file, binary, closefd=options.pop("closefd", True), opener=opener)
        calls.paths[raw.fileno()] = known or os.path.abspath(os.fspath(file))  # noqa: PTH100
        if buffering == 0:
            return raw
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        if "b" in mode:
            return buffered
        return io.TextIOWrapper(buffered, *arguments, **options)

    real_os_open = os.open

    def faulty_os_open(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if flags & WRITING:
            calls.check("open", path)
        descriptor = real_os_open(path, flags, *arguments, **options)
        calls.paths[descriptor] = os.path.abspath(os.fspath(path))  # noqa: PTH100
        return descriptor

    io.open = builtins.open = faulty_open
    os.open = faulty_os_open
    for name, operation in (
        ("fsync", "fsync"),
        ("replace", "rename"),
        ("rename", "rename"),
        ("link", "rename"),
        ("mkdir", "mkdir"),
        ("unlink", "unlink"),
        ("remove", "unlink"),
        ("rmdir", "rmdir"),
        ("fchmod", "chmod"),
        ("truncate", "truncate"),
        ("ftruncate", "truncate"),
        ("write", "write"),
    ):
        setattr(os, name, checked(getattr(os, name), operation, calls))


def checked(real: Callable[..., Any], operation: str, calls: Calls) -> Callable[..., Any]:
    def function(where: Any, *arguments: Any, **options: Any) -> Any:
        calls.check(operation, where)
        return real(where, *arguments, **options)

    return function


def run_here(directory: str, arguments: list[str], fault: Fault | None, answers: str) -> NoReturn:
    """Be the command, in a process of its own; what happened goes to files named ``answers``."""
    from s2s_cli.__main__ import main

    for number, suffix in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{answers}.{suffix}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(directory)
    sys.argv = ["s2s", *arguments]
    os.environ["COLUMNS"] = "200"
    real_open = io.open
    calls = Calls(directory, fault)
    install(calls)
    # Speeds have as many digits as they take; without them, equal runs give equal bytes.
    time.monotonic = lambda: 1.0
    code: Any = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    with real_open(f"{answers}.json", "w") as stream:
        stream.write(json.dumps({"calls": calls.seen, "modules": sorted(sys.modules)}))
    os._exit(code or 0)


def serve() -> None:
    """Fork a process for each line of stdin; imports are done once, here."""
    import s2s_cli

    for each in pkgutil.walk_packages(s2s_cli.__path__, "s2s_cli."):
        if not each.name.endswith("__main__"):
            __import__(each.name)
    for line in sys.stdin:
        asked = json.loads(line)
        for name in asked.pop("modules"):
            try:
                __import__(name)
            except Exception:
                continue
        fault = Fault(**asked.pop("fault")) if asked["fault"] else asked.pop("fault")
        child = os.fork()
        if child == 0:
            run_here(**asked, fault=fault)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


class Shop:
    """A process that has imported everything, and forks one for each command."""

    def __init__(self) -> None:
        self.modules: list[str] = []
        self.folder = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(PACKAGE_ROOT), "OMP_NUM_THREADS": "1"},
        )

    def run(self, directory: Path, arguments: list[str], fault: Fault | None = None) -> Result:
        """``s2s ARGUMENTS`` in ``directory``."""
        answers = Path(self.folder.name) / "answer"
        for suffix in ("out", "err", "json"):
            answers.with_suffix(f".{suffix}").unlink(missing_ok=True)
        asked = {
            "directory": str(directory),
            "arguments": arguments,
            "fault": asdict(fault) if fault else None,
            "answers": str(answers),
            "modules": self.modules,
        }
        stdin, stdout = self.pipes()
        stdin.write(json.dumps(asked) + "\n")
        stdin.flush()
        self.modules = []
        result = Result(int(stdout.readline()), answers.with_suffix(".err").read_text("utf-8"))
        found = answers.with_suffix(".json")
        if found.exists():
            told = json.loads(found.read_text("utf-8"))
            result.calls = [(operation, path) for operation, path in told["calls"]]
            # Imported there once, so that the next ones find them.
            self.modules = [each for each in told["modules"] if not each.startswith("_")]
        return result

    def pipes(self) -> tuple[IO[str], IO[str]]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        return self.process.stdin, self.process.stdout

    def close(self) -> None:
        """End the process."""
        for each in self.pipes():
            each.close()
        self.process.wait()
        self.folder.cleanup()


if __name__ == "__main__":
    serve()
