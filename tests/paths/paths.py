"""Every option and argument that is a path, with everything a path can be; see `main`."""

import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from s2s_cli.commands.app import known_options, root_command
from s2s_cli.commands.command import report_user_errors
from s2s_cli.commands.settings_file import Kind

GOLDEN = Path(__file__).parents[1] / "golden"
LONGEST = 60  # seconds; a command that takes longer waits for something
Values = dict[str, str]

PREP = {"corpus": "corpus", "output": "data", "workers": "1"}
TEXTS = {"reference": "in.fr", "translation": "out.fr", "source": "in.en"}
RESCORE = {"nbest": "nbest.txt", "source": "in.en", "model": "model", "output": "out.fr"}
# Values with which each command works in a directory that is `complete`.
WORKING: dict[str, Values] = {
    "init": {"output": "new.toml"},
    "prep": PREP,
    "vocab": {"data": "data"},
    "train": {"data": "data", "model": "model"},
    "average": {"model": "kept", "output": "average"},
    "decode": {"model": "model", "input": "in.en", "output": "out.fr"},
    "rescore": RESCORE,
    "score": {"reference": "in.fr", "translation": "out.fr", "source": "in.en"},
    "export": {"model": "model", "onnx": "onnx"},
    "info": {"directory": "model"},
    "show.lengths": {**TEXTS, "output": "lengths.tsv"},
    "show.rarity": {**TEXTS, "model": "model", "output": "rarity.tsv"},
    "show.longest": {**TEXTS, "output": "longest.md"},
    "show.states": {"phrases": "in.en", "model": "model", "output": "states.tsv"},
    "show.attention": {"source": "in.en", "model": "attention", "output": "attention.tsv"},
    "show.beam": {"source": "in.en", "model": "model", "output": "beam.tsv"},
    "show.curves": {"model": "model", "output": "curves.tsv"},
    "show.report": {**TEXTS, "model": "model", "output": "report.html"},
}
# What else is given beside an option that is not among them, its own value first.
BESIDE: dict[tuple[str, str], Values] = {
    ("prep", "train"): {"train": "corpus/train"},
    ("prep", "valid"): {"valid": "corpus/valid"},
    ("prep", "test"): {"test": "corpus/test"},
    ("train", "tensorboard"): {"tensorboard": "board", "model": "new"},
    ("decode", "dictionary"): {"dictionary": "words.txt", "model": "attention", "replace-unk": ""},
    ("rescore", "tune"): {"tune": "in.fr", "weights": "weights.toml"},
    ("rescore", "weights"): {"weights": "weights.toml", "tune": "in.fr"},
    ("score", "model"): {"model": "model"},
    ("score", "baseline"): {"baseline": "out.fr"},
    ("score", "references"): {"references": "in.fr"},
    ("score", "hypothesis"): {"hypothesis": "out.fr", "translation": ""},
    ("score", "oracle"): {"oracle": "nbest.txt", "translation": ""},
    ("score", "system"): {"system": "out.fr", "translation": ""},
    ("show.rarity", "data"): {"data": "data"},
}
FLAGS = {"replace-unk"}


@dataclass(frozen=True)
class PathOption:
    """A path of a command, by its key in the settings file."""

    section: str
    key: str
    kind: Kind

    def __str__(self) -> str:
        return f"{self.section.replace('.', ' ')} {self.key}"

    def working(self) -> Values:
        """All values of a command line that works and has this one."""
        base = WORKING[self.section]
        if self.key in base:
            return base
        beside = BESIDE[self.section, self.key]
        return {key: value for key, value in {**base, **beside}.items() if value or key in FLAGS}


def path_options() -> list[PathOption]:
    """All there are: a new option is among them without being named here."""
    return [
        PathOption(section, key, kind)
        for section, options in known_options().items()
        for key, kind in options.items()
        if kind.type is Path
    ]


def command_line(section: str, values: Values) -> list[str]:
    """The arguments of ``s2s`` that give ``values``."""
    command = root_command()
    for name in section.split("."):
        command = command.commands[name]
    line = section.split(".")
    places = []
    for each in command.params:
        value = values.get((each.name or "").replace("_", "-"))
        if value is not None and each.param_type_name == "argument":
            places.append(value)
        elif value is not None:
            line += [each.opts[0], *([] if each.opts[0][2:] in FLAGS else [value])]
    return [*line, "--", *places]


def complete(directory: Path) -> None:
    """Put what the commands work on beside a trained experiment."""
    (directory / "in.en").write_text("one two\nthree four one\nfive\n")
    (directory / "in.fr").write_text("un deux\ntrois quatre un\ncinq\n")
    (directory / "out.fr").write_text("un deux\ntrois quatre\ncinq\n")
    (directory / "words.txt").write_text("one un\n")
    lines = [f"{n} ||| {text} ||| F= {n} ||| -{n}.5\n" for n in range(3) for text in ("un", "deux")]
    (directory / "nbest.txt").write_text("".join(lines))
    (directory / "weights.toml").write_text("[weights]\ntotal = 1\n")
    shutil.copytree(GOLDEN / "model-2-attention", directory / "attention")
    shutil.copytree(GOLDEN / "model-1", directory / "kept")
    for number in (1, 2):
        shutil.copy(directory / "kept" / "best.pt", directory / "kept" / f"update-{number}.pt")


def copy_of(value: str, name: str) -> str:
    """Have ``name`` be what ``value`` is: a file, a directory, or the beginning of file names."""
    found = Path(value)
    if found.is_dir():
        Path(name).symlink_to(found.resolve())
    elif found.exists():
        shutil.copy(found, name)
    else:
        for each in found.parent.glob(f"{found.name}.*"):
            shutil.copy(each, name + each.name.removeprefix(found.name))
    return name


def ending(value: str) -> str:
    """What a name has to end in, as a picture's has."""
    return Path(value).suffix if Path(value).suffix in (".tsv", ".md", ".html") else ""


def pipe(value: str) -> str:
    """A named pipe; for the beginning of file names, one in place of each."""
    name = f"pipe{ending(value)}"
    copy_of(value, name)
    for each in Path().glob(f"{name}*") or [Path(name)]:
        each.unlink()
        os.mkfifo(each)
    if not list(Path().glob(f"{name}*")):
        os.mkfifo(name)
    return name


def circle(value: str) -> str:
    Path("circle").symlink_to("circle")
    return "circle"


def folder(value: str) -> str:
    Path(f"folder{ending(value)}").mkdir()
    return f"folder{ending(value)}"


def locked(value: str) -> str:
    """In a directory that nobody may look into, but for root."""
    Path("locked").mkdir()
    copy_of(value, f"locked/name{ending(value)}")
    Path("locked").chmod(0)
    return f"locked/name{ending(value)}"


# What a path can be: the value of an option, made in the current directory from one that works.
KINDS: dict[str, Callable[[str], str]] = {
    "empty": lambda _: "",
    "here": lambda _: ".",
    "root": lambda _: "/",
    "above": lambda _: "..",
    "missing": lambda value: f"no/such{ending(value)}",
    "directory": folder,
    "through a file": lambda value: f"in.en/name{ending(value)}",
    "bytes": lambda value: copy_of(value, f"na\udcffme{ending(value)}"),
    "line break": lambda value: copy_of(value, f"na\nme{ending(value)}"),
    "too long": lambda value: "x" * 300 + ending(value),
    "circle": circle,
    "pipe": pipe,
    "device": lambda _: "/dev/null",
    "no entry": locked,
}


def is_tried(option: PathOption, kind: str) -> bool:
    """Whether nothing is harmed by it: root could write where it does not belong."""
    return not (option.kind.writes and kind in ("root", "above"))


@contextmanager
def other_ends(option: PathOption, name: str, value: str) -> Iterator[None]:
    """Have somebody at the other end of each pipe: a writer of what is to be read, or a reader."""
    ends = []
    for each in Path().glob(f"{name}*") if name.startswith("pipe") else ():
        suffix = str(each).removeprefix(name)
        source = f"{value}{suffix}" if Path(f"{value}{suffix}").is_file() else os.devnull
        read, write = (each, os.devnull) if option.kind.writes else (source, each)
        ends.append(subprocess.Popen(["sh", "-c", 'cat < "$0" > "$1"', read, write]))
    try:
        yield
    finally:
        for end in ends:
            end.kill()
            end.wait()


def run_here(arguments: list[str]) -> tuple[Any, str]:
    """Run ``s2s ARGUMENTS`` in this process: its exit code, and what it says on stderr."""

    def stop(*_: object) -> None:
        raise TimeoutError("it waits for ever")

    code: Any = 0
    stderr, threads = io.StringIO(), torch.get_num_threads()
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LONGEST)
    try:
        with redirect_stderr(stderr), redirect_stdout(io.StringIO()), report_user_errors():
            root_command()(arguments, prog_name="s2s")
    except SystemExit as end:
        code = end.code
    except Exception:
        stderr.write(traceback.format_exc())
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        torch.set_num_threads(threads)
    return code, stderr.getvalue()


class Trials:
    """Command lines, each in its own copy of an experiment."""

    def __init__(self, experiment: Path, folder: Path) -> None:
        self.folder = folder
        self.base = shutil.copytree(experiment, folder / "base")
        complete(self.base)

    def run(self, option: PathOption, kind: str) -> tuple[str, int, str]:
        """Run the option's command with that kind of path; the path, exit code and stderr."""
        place = self.folder / "place" / "here"
        for each in place.parent.glob("*/locked"):
            each.chmod(0o700)
        shutil.rmtree(place.parent, ignore_errors=True)
        shutil.copytree(self.base, place, copy_function=os.link)
        os.chdir(place)
        try:
            values = option.working()
            value = values[option.key]
            name = KINDS[kind](value)
            line = command_line(option.section, {**values, option.key: name})
            with other_ends(option, name, value):
                return name, *run_here(line)
        finally:
            os.chdir(self.folder)

    def problems(self, option: PathOption, kind: str, outcomes: Counter[str]) -> list[str]:
        """What is wrong with how a path of that kind is received; ``outcomes`` are counted."""
        name, code, stderr = self.run(option, kind)
        outcomes["works" if code == 0 else "refused"] += 1
        found = list(badly_received(code, stderr))
        named = option.key.removesuffix("s").upper() in stderr.upper()
        if kind == "empty" and not (named and code == 2):
            found.append(f"is not named: {stderr}")
        if kind == "missing" and code == 0 and (self.folder / "place/here/no").exists():
            if not option.kind.writes:
                found.append("was made, and is not marked as one that is written")
        elif kind == "missing" and option.kind.writes and code == 0:
            found.append("was not made, and is marked as one that is written")
        return [f"{option}, {kind} {name!r}: {each}" for each in found]


def badly_received(code: int, stderr: str) -> Iterator[str]:
    """An error is one sentence, at the end."""
    if "Traceback" in stderr:
        yield stderr
    elif code not in (0, 1, 2):
        yield f"exit code {code}: {stderr}"
    elif code:
        told = [line for line in stderr.splitlines() if line.startswith("s2s: ")]
        if len(told) != 1 or not stderr.endswith(told[0] + "\n"):
            yield f"not one sentence: {stderr}"


def main(experiment: Path) -> None:
    """Try every kind for every path of every command; print how many work and are refused."""
    print("$ python tests/paths/paths.py EXPERIMENT > tests/paths/paths.txt")
    print("Each path option and argument of each command, with each kind of path that is tried:")
    print("it works, or it is refused in one sentence (exit code 1 or 2). None: a traceback, a")
    print("command that waits for ever, a path made by an option that is not known to write.")
    print(f"\n{'kind':16}{'options':>9}{'works':>9}{'refused':>9}", flush=True)
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        trials = Trials(experiment.resolve(), Path(folder))
        for kind in KINDS:
            outcomes: Counter[str] = Counter()
            for option in path_options():
                if is_tried(option, kind):
                    problems += trials.problems(option, kind, outcomes)
            columns = (outcomes.total(), outcomes["works"], outcomes["refused"])
            print(f"{kind:16}" + "".join(f"{each:9,}" for each in columns), flush=True)
        os.chdir("/")
    sys.exit("\n".join(problems) or 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
