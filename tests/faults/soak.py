"""A training that is killed again and again ends as one that was left alone, bit for bit.

    python tests/faults/soak.py --kills 200 --result tests/faults/soak.txt

Each life of a training is the real command, ``s2s train``, in a process of its own, forked from
this one, which has loaded torch already. SIGKILL, SIGTERM, SIGINT or SIGUSR1 ends it (some of the
latter come twice), at a moment that the seed decides:

- *call*: from within, after so many calls of functions, Python's or C's, from its very start;
- *writing*: likewise, counting only calls while a checkpoint or the best weights are written;
- *clock*: from this process after so many milliseconds, so in the middle of a computation, too.

After each life the checkpoint must be whole. The same command goes on until it has finished; then
all of the model directory but words per second, and every line of the log but speed and time left,
must be what an undisturbed training gave. The first two kinds of moments come again exactly with
the seed, the third one about.
"""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NoReturn

import torch

from s2s_cli.__main__ import main
from s2s_cli.commands import app, train
from s2s_cli.distributed import launch
from s2s_cli.training.checkpoint import Checkpoints
from s2s_cli.training.record import Course, TrainingRecord

HERE = Path(__file__).resolve().parent
WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1]
COMMON = (
    "--layers 2 --hidden-size 12 --embedding-size 10 --batch-size 16 --epochs 4 --log-every 4 "
    "--clip-norm 0.5 --device cpu --threads 1"
)
# What each training is told beyond that; lives of all of them are ended in turn.
TRAININGS = [
    "--dropout 0.3 --precision bf16 --validate-every 5 --save-every 3",
    "--optimiser adam --learning-rate 0.3 --validate-every 4 --patience 4 --save-every 9",
    "--halve-after 1 --halve-every 0.5 --keep 2",
    "--optimiser adam --learning-rate 0.01 --dropout 0.2",
    "--optimiser adam --learning-rate 0.01 --dropout 0.1 --gpus 3 --save-every 7 --keep 1",
    "--max-updates 59 --validate-every 6 --save-every 100",
]
# Moments are drawn so that a training is killed about so many times before it ends.
LIVES = 25
FEWEST = 3


@dataclass
class Moment:
    """When and how a life is ended.

    Attributes:
        kind: call, writing or clock.
        number: the signal.
        at: calls, or seconds.
        again: calls from there to a second signal; 0: there is none.
    """

    kind: str
    number: signal.Signals
    at: float
    again: int = 0


@dataclass
class Calls:
    """What `sys.setprofile` calls: counts calls, and sends signals when the number is reached."""

    moment: Moment | None = None
    everywhere: int = 0
    writing: int = 0
    depth: int = 0
    writers: frozenset[CodeType] = frozenset(
        {Checkpoints.save.__code__, Checkpoints.save_best.__code__}
    )

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if frame.f_code in self.writers and event in ("call", "return"):
            self.depth += 1 if event == "call" else -1
        self.everywhere += 1
        self.writing += self.depth > 0
        if self.moment is None or self.moment.kind == "clock":
            return
        count = self.writing if self.moment.kind == "writing" else self.everywhere
        if count >= self.moment.at:
            number, again = self.moment.number, self.moment.again
            self.moment = Moment("call", number, self.everywhere + again) if again else None
            os.kill(os.getpid(), number)


def live(folder: Path, arguments: list[str], log: Path, calls: Calls | None) -> NoReturn:
    """In a process of its own: the command, in ``folder``, its talk added to ``log``."""
    code = 70
    try:
        os.chdir(folder)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(stream, 1)
        os.dup2(stream, 2)
        sys.argv = ["s2s", *arguments]
        sys.setprofile(calls)
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except KeyboardInterrupt:
        code = 130
    finally:
        sys.setprofile(None)
        if calls is not None and calls.moment is None:
            (folder / "calls.json").write_text(json.dumps([calls.everywhere, calls.writing]))
        os._exit(code)


def run(folder: Path, arguments: list[str], log: Path, moment: Moment | None, count: bool) -> int:
    """Live once; the exit code, negative for a signal."""
    child = os.fork()
    if child == 0:
        live(folder, arguments, log, Calls(moment) if moment or count else None)
    if moment is not None and moment.kind == "clock":
        time.sleep(moment.at)
        os.kill(child, moment.number)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@dataclass
class Tally:
    """What was done."""

    kills: Counter[str] = field(default_factory=Counter)
    moments: Counter[str] = field(default_factory=Counter)
    lives: int = 0
    twice: int = 0
    trainings: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return self.kills.total()


def write_corpus(folder: Path) -> None:
    """Digits in words, one for one."""
    draw = random.Random(1)
    (folder / "corpus").mkdir()
    for split, count in (("train", 240), ("valid", 30), ("test", 4)):
        lines = [" ".join(draw.choices(WORDS, k=draw.randint(1, 6))) for _ in range(count)]
        for language in ("en", "fr"):
            text = "".join(line + "\n" for line in lines)
            (folder / "corpus" / f"{split}.{language}").write_text(text, "utf-8")


def moments(draw: random.Random, length: tuple[int, int], seconds: float) -> Iterator[Moment]:
    """Moments without end, for a training that takes so many calls, in writing, and seconds."""
    while True:
        kind = draw.choice(["call", "call", "writing", "clock"])
        number = draw.choice(SIGNALS)
        again = draw.randint(1, 1500) if number != signal.SIGKILL and draw.random() < 0.3 else 0
        match kind:
            case "call":
                yield Moment(kind, number, draw.randint(1, length[0] * 4 // LIVES), again)
            case "writing":
                yield Moment(kind, number, draw.randint(1, length[1] * 2 // LIVES), again)
            case _:
                yield Moment(kind, number, draw.uniform(0, seconds * 4 / LIVES))


def soak(folder: Path, kills: int, seed: int, tally: Tally, tell: Callable[[str], None]) -> None:
    """Kill so many times.

    Raises:
        AssertionError: a life ended as none may, or the end of a training is not that of another.
    """
    draw = random.Random(seed)
    write_corpus(folder)
    prepared = folder / "prepared.log"
    for arguments in (["prep", "--reverse-source", "--workers", "1"], ["vocab"]):
        assert run(folder, arguments, prepared, None, False) == 0, prepared.read_text()
    wholes: dict[str, tuple[tuple[int, int], float]] = {}
    while tally.total < kills:
        for number, options in enumerate(TRAININGS):
            whole = folder / f"whole{number}"
            if options not in wholes:
                begin = time.monotonic()
                code = run(folder, command(options, whole), log_of(whole), None, True)
                assert code == 0, log_of(whole).read_text()
                calls = json.loads((folder / "calls.json").read_text())
                # Calls are not counted in a life that the clock ends, which is faster by that.
                wholes[options] = (calls[0], calls[1]), (time.monotonic() - begin) / 2
            if tally.total >= kills:
                break
            parts = folder / f"parts{number}-{tally.trainings[options]}"
            share = min(kills - tally.total, max(FEWEST, kills // len(TRAININGS)))
            kill_and_go_on(folder, options, parts, share, moments(draw, *wholes[options]), tally)
            compare(parts, whole)
            tally.trainings[options] += 1
            tell(f"{tally.total} kills: {options}: the same to the bit")


def command(options: str, model: Path) -> list[str]:
    return ["train", *f"{COMMON} {options} --model {model.name}".split()]


def log_of(model: Path) -> Path:
    return model.with_suffix(".log")


def kill_and_go_on(
    folder: Path, options: str, model: Path, kills: int, when: Iterator[Moment], tally: Tally
) -> None:
    """Train to the end, whatever comes in between, which is at most so many kills."""
    log, killed = log_of(model), 0
    while True:
        moment = next(when) if killed < kills else None
        code = run(folder, command(options, model), log, moment, False)
        tally.lives += 1
        if code == 0:
            assert (model / "last.pt").is_file()
            return
        assert moment is not None, f"exit code {code}:\n{log.read_text()[-2000:]}"
        allowed = -moment.number, 128 + moment.number
        assert code in allowed, f"{moment}: exit code {code}:\n{log.read_text()[-2000:]}"
        killed += 1
        tally.kills[moment.number.name] += 1
        tally.moments[moment.kind] += 1
        tally.twice += moment.again > 0 and code == -moment.number
        if (model / "last.pt").is_file():
            torch.load(model / "last.pt", weights_only=True)


def compare(parts: Path, whole: Path) -> None:
    """Assert that two trainings left the same.

    Raises:
        AssertionError: they did not.
    """
    for name in ("last.pt", "best.pt", *(each.name for each in whole.glob("update-*.pt"))):
        one, other = (content(each / name) for each in (parts, whole))
        assert same(one, other), f"{parts.name}: {name} differs from {whole.name}"
    courses = [course(model) for model in (parts, whole)]
    assert courses[0] == courses[1], f"{parts.name}: training.json differs from {whole.name}"
    assert records(parts) == records(whole), f"{parts.name}: metrics differ from {whole.name}"
    assert told(parts) == told(whole), f"{parts.name}: the log differs from {whole.name}"
    names = [{each.name for each in model.iterdir()} for model in (parts, whole)]
    assert names[0] == names[1], f"{parts.name}: {names[0] ^ names[1]} left or missing"


def course(model: Path) -> Course:
    record = TrainingRecord.read(model)
    assert record is not None, f"{model.name}: training.json is missing"
    return record.course


def content(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(path, weights_only=True)
    if "progress" in found:  # speeds are written with as many digits as they have
        del found["progress"]["metrics_bytes"]
    return found


def same(one: Any, other: Any) -> bool:
    """Equal to the bit, tensors and all."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def records(model: Path) -> list[dict[str, Any]]:
    lines = (model / "metrics.jsonl").read_text("utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    return [{key: each[key] for key in each if key != "words_per_second"} for each in found]


def told(model: Path) -> dict[tuple[str, bool], set[str]]:
    """Lines of the log by update and kind; an update that was done again has told the same."""
    lines: dict[tuple[str, bool], set[str]] = {}
    for line in log_of(model).read_text("utf-8").splitlines():
        if found := re.match(r"update ([\d,]+) ", line):
            comparable = line if "validation" in line else line[:58]  # no times
            lines.setdefault((found[1], "validation" in line), set()).add(comparable)
    return lines


def present_commit() -> str:
    """What is tried, as far as git knows."""
    commit = git("rev-parse", "--short", "HEAD") or "unknown"
    changed = git("status", "--porcelain", "--untracked-files=no")
    return f"commit {commit}{' with changes' if changed else ''}"


def report(arguments: list[str], commit: str, tally: Tally) -> str:
    """What is kept of a run."""
    python = ".".join(map(str, sys.version_info[:3]))
    lines = [
        f"$ python tests/faults/soak.py {' '.join(arguments)}",
        f"{commit}, {datetime.now(UTC):%Y-%m-%d}, PyTorch {torch.__version__}, Python {python}",
        "",
        f"kills: {tally.total} ({counted(tally.kills)})",
        f"moments: {counted(tally.moments)}",
        f"left at once by a second signal: {tally.twice}",
        f"lives: {tally.lives}",
        "",
        "each training, killed and gone on with to its end, so many times:",
        *(f"  {number} s2s train {options}" for options, number in tally.trainings.items()),
        "outcome: weights, optimiser state, random state, best weights, metrics and log are the",
        "same to the bit as without a kill",
    ]
    return "".join(line + "\n" for line in lines)


def counted(what: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(what.items()))


def git(*arguments: str) -> str:
    found = subprocess.run(
        ["git", *arguments], cwd=HERE, capture_output=True, text=True, check=False
    )
    return found.stdout.strip()


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--result", type=Path, help="write what was done and how it ended")
    return parser.parse_args(arguments)


def start(arguments: list[str]) -> None:
    options, commit, tally = parsed(arguments), present_commit(), Tally()
    torch.set_num_threads(1)  # no thread of torch's may be there when a process is forked
    with tempfile.TemporaryDirectory(prefix="s2s-soak-") as folder:
        soak(Path(folder), options.kills, options.seed, tally, lambda line: print(line, flush=True))
    result = report(arguments, commit, tally)
    print(result, end="")
    if options.result:
        options.result.write_text(result, "utf-8")


if __name__ == "__main__":
    assert app and train and launch  # loaded once, for all lives
    start(sys.argv[1:])
