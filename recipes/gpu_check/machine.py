"""What a check needs: commands, made-up text, and the sizes of models."""

import json
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

RECIPES = Path(__file__).parents[1]
LANGUAGES = "en", "fr"


class Failed(Exception):
    """A check did not get what it should."""


class Skipped(Exception):
    """A check does not apply here."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of the models and texts.

    Attributes:
        cells: of the small models that are compared with the CPU.
        layers: of the model whose speed is measured.
        width: its cells.
        words: its vocabularies.
        batch: its pairs an update.
        updates: that are timed.
        lines: that are decoded.
        length: words of each line.
    """

    cells: int = 64
    layers: int = 4
    width: int = 1000
    words: tuple[int, int] = (160_000, 80_000)
    batch: int = 128
    updates: int = 20
    lines: int = 256
    length: int = 28


QUICK = Sizes(24, 2, 24, (300, 200), 8, 2, 4, 6)


@dataclass(frozen=True)
class Machine:
    """Where commands run.

    Attributes:
        work: directory of all that is made.
        gpus: how many are checked.
        sizes: of models and texts.
    """

    work: Path
    gpus: int
    sizes: Sizes

    def s2s(self, *arguments: object, stdin: Path | None = None) -> str:
        """Run ``s2s``; what it wrote to stdout.

        Raises:
            Failed: it did not end well.
        """
        return self.run([sys.executable, "-m", "s2s_cli", *arguments], stdin)

    def inside(self, fraction: float, told: Path, *arguments: object) -> str:
        """Run ``s2s`` with that share of memory (`inside.py`); what it wrote to stderr."""
        script = Path(__file__).with_name("inside.py")
        command = [sys.executable, script, fraction, told, *arguments]
        run = subprocess.run(
            [str(each) for each in command], cwd=self.work, capture_output=True, text=True
        )
        if run.returncode:
            raise Failed(f"{' '.join(map(str, arguments))}: {last_line(run.stderr)}")
        return run.stderr

    def run(self, command: list[object], stdin: Path | None = None) -> str:
        words = [str(each) for each in command]
        given = stdin.read_bytes() if stdin else b""
        run = subprocess.run(words, cwd=self.work, capture_output=True, input=given)
        if run.returncode:
            raise Failed(f"{' '.join(words[2:])}: {last_line(run.stderr.decode())}")
        return run.stdout.decode()

    def seconds(self, *arguments: object, stdin: Path) -> float:
        """Seconds of a run of ``s2s``."""
        begin = time.monotonic()
        self.s2s(*arguments, stdin=stdin)
        return time.monotonic() - begin


def last_line(text: str) -> str:
    return (text.strip().split("\n") or [""])[-1]


def metrics(model: Path) -> list[dict[str, float]]:
    """The lines of a training's log."""
    return [json.loads(line) for line in (model / "metrics.jsonl").read_text().splitlines()]


def number_phrases(machine: Machine) -> Path:
    """Prepared text of number phrases, for the small models."""
    script = RECIPES / "numbers_en_fr/number_phrases.py"
    sizes = ["--train=400", "--valid=20", "--test=40"]
    machine.run([sys.executable, script, machine.work / "corpus", *sizes])
    machine.s2s("prep", "--corpus", "corpus", "--output", "data", "--reverse-source")
    machine.s2s("vocab", "--data", "data")
    return machine.work / "data"


def random_text(machine: Machine) -> Path:
    """Prepared text of random words, as many as the large model's vocabularies have."""
    text = machine.work / "random"
    text.mkdir(exist_ok=True)
    sizes, source = machine.sizes, random.Random(1)
    pairs = max(sizes.batch * (sizes.updates + 1), max(sizes.words) // sizes.length + 1)
    for split, lines in ("train", pairs), ("valid", 8), ("test", 8):
        for language, words in zip(LANGUAGES, sizes.words, strict=True):
            chosen = [number % words for number in range(lines * sizes.length)]
            source.shuffle(chosen)
            rows = zip(*[iter(f"w{number}" for number in chosen)] * sizes.length, strict=True)
            (text / f"{split}.{language}").write_text("".join(" ".join(r) + "\n" for r in rows))
    machine.s2s("prep", "--corpus", "random", "--output", "random/data", "--tokenised")
    limits = [("--source-size", sizes.words[0] + 3), ("--target-size", sizes.words[1] + 3)]
    machine.s2s("vocab", "--data", "random/data", *(each for pair in limits for each in pair))
    return text / "data"
