"""Commands that are killed at any moment leave no process, no temporary file and no lock.

    python tests/faults/kills.py > tests/faults/kills.txt

Each trial starts a command in a session of its own, and sends a signal so many seconds later, or so
many after the start of its workers.
SIGKILL and SIGTERM go to its first process; SIGINT and SIGHUP go to all of its group, as a terminal
sends them; "SIGTERM twice" comes again soon. Then within `GRACE` seconds after its end

- no process that it started is left,
- its folder for temporary files is empty, and nothing else is half-written (but after SIGKILL or a
  second signal, when the next run clears up),
- the lock of its directory is free,
- the exit code is that of the signal, and at most one line says so.

Linux, which has /proc.
"""

import argparse
import fcntl
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

GRACE = 5.0  # on a machine that is busy with other things
PATIENCE = 60.0
SECONDS = 5.0
TWO = "--gpus 2 --device cpu"
COMMANDS = {
    f"train {TWO} --layout data": f"train {TWO} --layout data --model new --epochs 99999",
    "train": "train --model new --epochs 99999",
    f"decode {TWO}": f"decode {TWO} --output new.txt",
    "decode": "decode --output new.txt",
    f"rescore {TWO}": f"rescore list --source many.en {TWO} --output new.txt",
    "prep --workers 2": "prep --corpus large --output new --workers 2",
    "score": "score corpus/test.fr",
}
TWICE = "SIGTERM twice"
SIGNALS = ["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", TWICE]
# Ends of a training: it saves, and says where it goes on.
SAYS_MORE = "train"


@dataclass(frozen=True)
class Trial:
    """One command that is killed.

    Attributes:
        name: of the command.
        how: of `SIGNALS`.
        after: seconds from its start, or from when there are workers.
        of_workers: the latter.
    """

    name: str
    how: str
    after: float
    of_workers: bool = False


def marked(folder: Path) -> list[int]:
    """The processes with ``folder`` for their temporary files, which those they start inherit."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            environment = (each / "environ").read_bytes().split(b"\0")
            state = (each / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:  # it has just ended, or is another user's
            continue
        if f"TMPDIR={folder}".encode() in environment and state != "Z":
            found.append(int(each.name))
    return found


def workers(folder: Path) -> list[int]:
    """Those of them that work; a helper of Python's is none."""
    found = []
    for each in marked(folder):
        with suppress(OSError):
            command = Path(f"/proc/{each}/cmdline").read_bytes()
            found += [each] if b"spawn_main" in command else []
    return found


def is_locked(path: Path) -> bool:
    """Whether a process has a lock file locked."""
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def comes_true(what: Callable[[], bool], seconds: float) -> bool:
    """Wait until ``what()`` is true, at most so long."""
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def leftovers(folder: Path, directory: Path, *, tidy: bool, seconds: float) -> Iterator[str]:
    """What should not be there after a command has ended.

    Args:
        folder: of its temporary files.
        directory: that it writes.
        tidy: it could clear up.
        seconds: for processes to end.
    """
    if not comes_true(lambda: not marked(folder), seconds):
        yield f"processes {marked(folder)}"
    if left := list(folder.iterdir()):
        yield f"temporary files {[each.name for each in left]}"
    if is_locked(directory / ".lock"):
        yield "a lock"
    if tidy:
        for each in (directory.parent, directory):
            names = [path.name for path in each.glob(".*")]
            if names:
                yield f"files {names} in {each.name}"


def experiment(folder: Path) -> Path:
    """A trained model, a list and much text."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from conftest import ENGLISH, FRENCH, TINY_SETTINGS

    (folder / "corpus").mkdir(parents=True)
    (folder / "large").mkdir()
    for directory, times in (("corpus", 20), ("large", 20_000)):
        for split in ("train", "valid", "test"):
            for language, words in (("en", ENGLISH), ("fr", FRENCH)):
                lines = "".join(f"{one} {two}\n" for one in words for two in words[:3])
                repeated = times if split == "train" else 1
                (folder / directory / f"{split}.{language}").write_text(lines * repeated, "utf-8")
    (folder / "s2s.toml").write_text(TINY_SETTINGS.replace("epochs = 8", "epochs = 1"), "utf-8")
    for command in ("prep", "vocab", "train"):
        subprocess.run([*program(), command], cwd=folder, check=True, capture_output=True)
    (folder / "many.en").write_text("one two\n" * 2000, "utf-8")
    entries = "".join(
        f"{n} ||| un deux {k % 7} ||| lm= -1 ||| -1\n" for n in range(2000) for k in range(60)
    )
    (folder / "list").write_text(entries.replace(" 0 |", " un |"), "utf-8")
    return folder


def program() -> list[str]:
    return [sys.executable, "-m", "s2s_cli"]


def tried(trial: Trial, base: Path) -> tuple[str, list[str]]:
    """Kill a command once; how it ended, and what is wrong with that."""
    with tempfile.TemporaryDirectory(prefix="s2s-kills-") as name:
        place = Path(name) / "place"
        shutil.copytree(base, place, copy_function=os.link)
        folder = Path(name) / "tmp"
        folder.mkdir()
        with subprocess.Popen(
            [*program(), *COMMANDS[trial.name].split()],
            cwd=place,
            env={**os.environ, "TMPDIR": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            assert process.stdin and process.stderr and process.stdout
            process.stdin.write(b"one two\n" * 100)  # more may come
            process.stdin.flush()
            if trial.of_workers:
                comes_true(lambda: len(workers(folder)) == 2, PATIENCE)
            time.sleep(trial.after)
            early = process.poll()
            send(process.pid, trial.how)
            try:
                code = process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                wrong = [f"still there after {PATIENCE} s"]
                for each in (process.pid, *marked(folder)):
                    os.kill(each, signal.SIGKILL)
                return "hangs", wrong
            tidy = trial.how not in ("SIGKILL", TWICE)
            wrong = list(leftovers(folder, place / "new", tidy=tidy, seconds=GRACE))
            for each in marked(folder):
                os.kill(each, signal.SIGKILL)
            said = process.stderr.read().decode()
    outcome = "ended before" if early is not None else ending(trial, code, said, wrong)
    return outcome, wrong


def send(process: int, how: str) -> None:
    """Send the signal, as far as there is still someone."""
    number = signal.SIGTERM if how == TWICE else getattr(signal, how)
    try:
        if how in ("SIGINT", "SIGHUP"):
            os.killpg(process, number)
        else:
            os.kill(process, number)
        if how == TWICE:
            time.sleep(0.02)
            os.kill(process, number)
    except ProcessLookupError:
        return


def ending(trial: Trial, code: int, said: str, wrong: list[str]) -> str:
    """How a command ended; what is wrong about that is added to ``wrong``."""
    number = signal.SIGTERM if trial.how == TWICE else getattr(signal, trial.how)
    if "Traceback" in said:
        if is_before_us(said):
            return "in Python's own start"
        wrong.append(said)
    if code == -number:
        return "at once"
    if code == 128 + number:
        if said.count("\n") > 1 and trial.name.split()[0] != SAYS_MORE:
            wrong.append(f"said {said!r}")
        return "cleanly"
    if code != 0:
        wrong.append(f"exit code {code}: {said!r}")
    return "finished"


def is_before_us(said: str) -> bool:
    """Whether a traceback comes from Python's start, before the command's first line."""
    return said.rstrip().endswith("KeyboardInterrupt") and " in main\n" not in said


def trials(every: float) -> Iterator[Trial]:
    """Each command at each moment: SIGKILL where there are workers, and the signals by turns."""
    for step in range(round(SECONDS / every) + 1):
        for place, name in enumerate(COMMANDS):
            if TWO in name:
                yield Trial(name, "SIGKILL", step * every, of_workers=True)
            yield Trial(name, SIGNALS[(step + place) % len(SIGNALS)], step * every)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--every", type=float, default=0.2, help="seconds between the moments")
    parser.add_argument("--together", type=int, default=2, help="trials at one time")
    options = parser.parse_args(arguments)
    print("$", " ".join(["python tests/faults/kills.py", *arguments, "> tests/faults/kills.txt"]))
    print(f"PyTorch {torch.__version__}, Python {platform.python_version()}")
    print(
        f"A signal at 0, {options.every:g}, … {SECONDS:g} s after the start, or (workers) after the"
    )
    print("start of both worker processes. The command ended")
    print("cleanly, at once (by the system), in Python's own start (which has a traceback of its")
    print("own for Ctrl-C), finished, or before the signal. Left: a process, a temporary file, a")
    print("lock, a traceback, more than one line, a wrong exit code.\n")
    outcomes: dict[tuple[str, str], Counter[str]] = {}
    problems = []
    with tempfile.TemporaryDirectory(prefix="s2s-kills-") as folder:
        base = experiment(Path(folder) / "base")
        with ThreadPoolExecutor(options.together) as pool:
            all_trials = list(trials(options.every))
            done = pool.map(lambda each: tried(each, base), all_trials)
            for trial, (outcome, wrong) in zip(all_trials, done, strict=True):
                how = f"{trial.how}, workers" if trial.of_workers else trial.how
                counts = outcomes.setdefault((trial.name, how), Counter())
                counts[outcome] += 1
                counts["left"] += bool(wrong)
                problems += [f"{trial}: {each}" for each in wrong]
                print(trial, outcome, *wrong, file=sys.stderr, flush=True)
    print_table(outcomes)
    print(*problems, sep="\n")
    return len(problems)


def print_table(outcomes: dict[tuple[str, str], Counter[str]]) -> None:
    columns = ["cleanly", "at once", "in Python's own start", "finished", "ended before", "left"]
    heads = ["cleanly", "at once", "Python's", "finished", "before", "left"]
    print(f"{'command':44}{'signal':18}{'kills':>6}" + "".join(f"{each:>9}" for each in heads))
    for (name, how), counts in sorted(outcomes.items()):
        kills = sum(counts.values()) - counts["left"]
        numbers = "".join(f"{counts[each]:9}" for each in columns)
        print(f"{name:44}{how:18}{kills:6}{numbers}")
    total = sum(each.total() - each["left"] for each in outcomes.values())
    print(f"\n{total} kills; left something: {sum(each['left'] for each in outcomes.values())}")


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
