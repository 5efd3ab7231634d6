"""The writers whose calls fail, what they start from, and what must hold after each fault."""

import io
import random
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from fault_shop import DIED, ERRORS, Fault, Result, Shop

from s2s_cli.training.record import RECORD, TrainingRecord

ENGLISH = ["one", "two", "three", "four"]
FRENCH = ["un", "deux", "trois", "quatre"]
SETTINGS = """
[train]
layers = 1
hidden-size = 8
embedding-size = 8
batch-size = 10
epochs = 2
optimiser = "adam"
learning-rate = 0.03
log-every = 2
validate-every = 3
device = "cpu"
threads = 1

[decode]
beam = 3
threads = 1
device = "cpu"

[rescore]
threads = 1
device = "cpu"
"""
LOCK = ".lock"
DAMAGED = b"damaged"
Tree = dict[str, bytes]


@dataclass(frozen=True)
class Writer:
    """A command that writes files.

    Attributes:
        stage: the directory that it starts from (`Stages`).
        mark: a file that says that those of its directory belong together.
    """

    stage: str
    arguments: tuple[str, ...]
    mark: str = ""


WRITERS = {
    "prep anew": Writer("corpus", ("prep",), "data/facts.json"),
    "prep again": Writer("older data", ("prep",), "data/facts.json"),
    "prep in pieces": Writer(
        "older data",
        ("prep", "--subwords", "bpe", "--subword-size", "14", "--tokenised"),
        "data/facts.json",
    ),
    "vocab anew": Writer("prepared", ("vocab",), "data/corpus.json"),
    "vocab again": Writer("older ids", ("vocab",), "data/corpus.json"),
    "train anew": Writer("data", ("train",)),
    "train on": Writer("stopped", ("train", "--keep", "1")),
    "average": Writer(
        "model", ("average", "model/best.pt", "model/last.pt", "--output", "average")
    ),
    "decode": Writer("model", ("decode", "--input", "in.en", "--output", "out.fr")),
    "decode into a list": Writer(
        "model", ("decode", "--input", "in.en", "--nbest", "2", "--output", "new/list.gz")
    ),
    "rescore": Writer("model", ("rescore", "nbest.txt", "--source", "in.en", "--output", "out.fr")),
    "rescore into a list": Writer(
        "model",
        ("rescore", "nbest.txt", "--source", "in.en", "--add-feature", "--output", "out.fr"),
    ),
    "rescore with weights": Writer(
        "model",
        (
            *("rescore", "nbest.txt", "--source", "in.en", "--output", "out.fr"),
            *("--tune", "in.fr", "--weights", "weights.toml"),
        ),
    ),
    "a picture and its data": Writer("model", ("show", "curves", "--output", "out.svg")),
}


class Stages:
    """Directories that commands start from, each made once."""

    def __init__(self, shop: Shop, folder: Path) -> None:
        self.shop, self.folder = shop, folder
        write_corpus(self.new("corpus"))
        self.make("prepared", "corpus", "prep")
        self.make("data", "prepared", "vocab")
        self.make("model", "data", "train")
        write_lines(folder / "model" / "in.en", [["one", "two"], ["three", "four", "one"]])
        write_lines(folder / "model" / "in.fr", [["un", "deux"], ["trois", "quatre", "un"]])
        self.make(
            *("model", "model", "decode", "--input", "in.en"),
            *("--nbest", "2", "--output", "nbest.txt"),
        )
        for name in ("out.fr", "weights.toml", "out.svg", "out.tsv"):
            (folder / "model" / name).write_text("older\n", "utf-8")
        # What is there before from other text, which has splits and words that the new has not.
        self.make("older data", "data", "prep", "--max-length", "2", "--reverse-source")
        self.make("older data", "older data", "vocab", "--source-size", "4")
        self.make("older ids", "data", "vocab", "--source-size", "4")
        self.make("stopped", "data", "train", "--max-updates", "4")

    def new(self, name: str, base: str | None = None) -> Path:
        """An own copy of a stage, in place of any before."""
        path = self.folder / name
        if base != name:
            shutil.rmtree(path, ignore_errors=True)
            if base:
                shutil.copytree(self.folder / base, path)
            else:
                path.mkdir()
        return path

    def make(self, name: str, base: str, *arguments: str) -> Path:
        """The directory ``name``: ``base`` after a command."""
        path = self.new(name, base)
        result = self.shop.run(path, list(arguments))
        assert result.code == 0, result.stderr
        return path


def write_lines(path: Path, lines: list[list[str]]) -> None:
    path.write_text("".join(" ".join(words) + "\n" for words in lines), "utf-8")


def write_corpus(directory: Path) -> None:
    """A few pairs of digits in words, and settings."""
    (directory / "corpus").mkdir()
    (directory / "s2s.toml").write_text(SETTINGS, "utf-8")
    draw = random.Random(1)
    for split, count in (("train", 30), ("valid", 6)):
        pairs = [[draw.randrange(4) for _ in range(draw.randint(1, 4))] for _ in range(count)]
        for language, words in (("en", ENGLISH), ("fr", FRENCH)):
            lines = [[words[digit] for digit in pair] for pair in pairs]
            write_lines(directory / "corpus" / f"{split}.{language}", lines)


def tree(directory: Path) -> Tree:
    """All files but locks, by their names."""
    return {
        str(path.relative_to(directory)): comparable(path)
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != LOCK
    }


def comparable(path: Path) -> bytes:
    """What has to be in ``path``: all, but for the speed of a training's run.

    A run that resumes measures other words and seconds than one that does not, and the length of
    those digits is kept with the checkpoint.
    """
    if path.name == "metrics.jsonl":
        return re.sub(rb', "words_per_second": \d+', b"", path.read_bytes())
    if path.suffix != ".pt":
        return path.read_bytes()
    try:
        content = torch.load(path, weights_only=True)
    except Exception:
        return DAMAGED
    content.get("progress", {}).pop("metrics_bytes", None)
    written = io.BytesIO()
    torch.save(content, written)
    return written.getvalue()


def faults(result: Result, turn: int | None = None) -> Iterator[Fault]:
    """The faults to try at each call of a command: all, or at each one of them by turns."""
    for operation, count in sorted(result.count().items()):
        kinds = [*ERRORS, "death", *(["short"] if operation == "write" else [])]
        for number in range(1, count + 1):
            chosen = kinds if turn is None else [kinds[(number + turn) % len(kinds)]]
            for how in chosen:
                yield Fault(operation, number, how)


class Trial:
    """One writer, undisturbed once, then with one fault after another."""

    def __init__(self, stages: Stages, writer: Writer) -> None:
        self.stages, self.writer = stages, writer
        self.before = tree(stages.folder / writer.stage)
        self.place = stages.new("place", writer.stage)
        self.undisturbed = self.run()
        assert self.undisturbed.code == 0, self.undisturbed.stderr
        self.after = tree(self.place)

    def run(self, fault: Fault | None = None) -> Result:
        return self.stages.shop.run(self.place, list(self.writer.arguments), fault)

    def problems(self, fault: Fault) -> list[str]:
        """What is wrong after ``fault``, and after the same command once more."""
        self.stages.new("place", self.writer.stage)
        result = self.run(fault)
        found = [*told_badly(fault, result), *self.left_badly(fault, result)]
        again = self.run()
        left = tree(self.place)
        if again.code:
            found.append(f"the next run fails: {again.stderr}")
        elif left != self.after:
            found.append(f"the next run leaves other files: {difference(left, self.after)}")
        return [f"{fault}: {each}" for each in found]

    def left_badly(self, fault: Fault, result: Result) -> Iterator[str]:
        left = tree(self.place)
        temporary = [name for name in left if name.endswith(".tmp")]
        if temporary and result.code != DIED:
            yield f"leaves {temporary}"
        if result.code == 0 and left != self.after:
            yield f"succeeds with other files: {difference(left, self.after)}"
        changed = {name: left[name] for name in left if name not in temporary}
        for name, content in changed.items():
            if content not in (self.before.get(name), self.after.get(name)) and not grows(
                self.place / name
            ):
                yield f"{name} is neither the old nor the new one"
        for name in self.before.keys() & self.after.keys() - left.keys():
            if not self.writer.mark and name != "model/last.previous.pt":
                yield f"{name} is gone"
        mark = self.writer.mark
        if mark in left and changed not in (self.before, self.after):
            yield f"{mark} stands beside files of another set: {difference(changed, self.after)}"


def told_badly(fault: Fault, result: Result) -> Iterator[str]:
    """An error is one sentence; nothing else is wrong with what was cut short."""
    if fault.how == "death":
        if result.code != DIED:
            yield f"did not die: {result.code} {result.stderr}"
        return
    if fault.how == "short" and result.code:
        yield f"a short write is not gone on with: {result.stderr}"
    if "Traceback" in result.stderr or "Error" in result.stderr:
        yield f"no sentence: {result.stderr}"
    if result.code:
        told = [line for line in result.stderr.splitlines() if line.startswith("s2s: ")]
        if result.code != 1 or len(told) != 1 or not result.stderr.endswith(told[0] + "\n"):
            yield f"exit code {result.code}, {result.stderr}"
        elif ": " not in told[0].removeprefix("s2s: "):
            yield f"no file is named: {told[0]}"


def grows(path: Path) -> bool:
    """Whether a file of a training may be as it is: sound, or metrics so far."""
    if path.suffix == ".pt":
        return comparable(path) != DAMAGED
    if path.name == RECORD:
        return TrainingRecord.read(path.parent) is not None
    return path.name == "metrics.jsonl"


def difference(one: Tree, other: Tree) -> list[str]:
    names = sorted(one.keys() | other.keys())
    return [name for name in names if one.get(name) != other.get(name)]
