"""How far a reader has to walk: files, functions and crossings between files of the package.

``python tests/walks.py`` prints them for one update of training and for ``s2s decode`` of one line,
with a small model of the paper's four layers on a CPU. ``PYTHONPATH=OTHER python tests/walks.py``
counts those of another checkout.
"""

import contextlib
import io
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

FUNCTION = 0x02  # CO_NEWLOCALS: not the body of a module or of a class
LINE, WORDS = "a b c d e f g\n", "abcdefgh"
SIZES = ("--layers", "4", "--hidden-size", "8", "--embedding-size", "8")
TRAINING = (*SIZES, "--batch-size", "8", "--max-updates", "4", "--validate-every", "100")
ON_CPU = ("--device", "cpu", "--threads", "1")


@dataclass
class Walk:
    """What was called of the package.

    Attributes:
        files: those that functions were called in, or that were imported.
        functions: with the functions, comprehensions and generators inside them counted as one.
        crossings: calls, each with its return, from a function in one file to one in another,
            whatever of other libraries stands between.
    """

    files: set[str] = field(default_factory=set)
    functions: set[tuple[str, str]] = field(default_factory=set)
    crossings: int = 0
    stack: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{len(self.files)} files, {len(self.functions)} functions, {self.crossings} crossings"
        )

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Count while the block runs."""
        import s2s_cli

        package = str(Path(s2s_cli.__file__).parent) + os.sep

        def profile(frame: FrameType, event: str, argument: object) -> None:
            file = frame.f_code.co_filename
            if file.startswith(package):
                if event == "call":
                    self.call(file, frame)
                elif event == "return" and self.stack:
                    self.stack.pop()

        sys.setprofile(profile)
        try:
            yield
        finally:
            sys.setprofile(None)

    def call(self, file: str, frame: FrameType) -> None:
        self.files.add(file)
        name = frame.f_code.co_qualname.split(".<locals>")[0]
        if frame.f_code.co_flags & FUNCTION and not name.startswith("<"):
            self.functions.add((file, name))
        self.crossings += bool(self.stack) and self.stack[-1] != file
        self.stack.append(file)


def s2s(*arguments: str) -> None:
    """Run ``s2s ARGUMENTS`` in this process, in silence.

    Raises:
        SystemExit: it failed.
    """
    from s2s_cli.__main__ import main

    sys.argv = ["s2s", *arguments]
    talk = io.StringIO()
    try:
        with contextlib.redirect_stderr(talk):
            main()
    except SystemExit as end:
        if end.code:
            print(talk.getvalue(), file=sys.stderr)
            raise


def prepare(folder: Path) -> None:
    """Have a corpus in ``folder`` and go there."""
    os.chdir(folder)
    chance = random.Random(1)
    Path("corpus").mkdir()
    for split, pairs in (("train", 64), ("valid", 8)):
        for language in "en", "fr":
            lines = (" ".join(chance.choices(WORDS, k=4)) + "\n" for _ in range(pairs))
            Path("corpus", f"{split}.{language}").write_text("".join(lines))
    Path("line.en").write_text(LINE)
    s2s("prep", "--tokenised", "--workers", "1")
    s2s("vocab")


def update_walk() -> Walk:
    """Walk through the third update of a training."""
    from s2s_cli.training.trainer import Trainer

    walks: list[Walk] = []
    update: Callable[..., Any] = Trainer.update

    def counted(*arguments: Any, **named: Any) -> Any:
        walks.append(Walk())
        with walks[-1].taken():
            return update(*arguments, **named)

    Trainer.update = counted  # type: ignore[method-assign]
    s2s("train", *TRAINING, *ON_CPU)
    Trainer.update = update  # type: ignore[method-assign]
    return walks[2]


def decode_walk() -> Walk:
    """Walk through a command that translates a line."""
    walk, usual = Walk(), sys.stdin
    with (
        Path("line.en").open() as sys.stdin,
        Path("line.fr").open("w") as found,
        contextlib.redirect_stdout(found),
        walk.taken(),
    ):
        s2s("decode", *ON_CPU)
    sys.stdin = usual
    return walk


def counted(name: str) -> str:
    """Count one walk in a process of its own, which has imported nothing yet."""
    command = [sys.executable, __file__, name]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    if len(sys.argv) == 1:
        print(counted("update") + counted("decode"), end="")
        return
    name = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        if name == "update":
            print("an update:", update_walk())
            return
        s2s("train", *TRAINING, *ON_CPU)
        # The commands and the rooms of training are imported by now.
        print("decode, the first time in a process:", decode_walk())
        print("decode, once more:", decode_walk())


if __name__ == "__main__":
    main()
