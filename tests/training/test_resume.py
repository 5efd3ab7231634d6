"""Wherever a training is stopped, and however: it goes on as if it had not been.

Here kills are exceptions, after which nothing is cleaned up; `tests/faults/soak.py` has real ones.
"""

import itertools
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from small import assert_same, final, metrics, run, small_corpus

from s2s_cli.data.corpus import Corpus
from s2s_cli.distributed.signals import Stopped, StopSignals
from s2s_cli.training.metrics import Clock
from s2s_cli.training.trainer import Trainer

Settings = dict[str, Any]
Log = list[str]

SGD: Settings = {"halve_after": 1.0}  # and again after 1.5, 2 and 2.5 of 3 epochs of 10 updates
ADAM: Settings = {"optimiser": "adam", "learning_rate": 0.01, "dropout": 0.2}
BF16: Settings = {"dropout": 0.3, "precision": "bf16", "validate_every": 5, "save_every": 3}
PATIENT: Settings = {
    "optimiser": "adam",
    "learning_rate": 0.3,
    "dropout": 0.1,
    "validate_every": 3,
    "patience": 3,
    "save_every": 7,
}
# Each validation finds a better model than the one before.
LEARNING: Settings = {"optimiser": "adam", "learning_rate": 0.02}
TRAININGS = {"sgd": SGD, "adam": ADAM, "bf16": BF16, "patience": PATIENT}

UPDATE = "s2s_cli.training.trainer.Trainer.update"
VALIDATION = "s2s_cli.training.trainer.perplexity"
WRITING = "torch.save"
WRITTEN = "s2s_cli.training.checkpoint.save_tensors"
KEEPING = "s2s_cli.training.checkpoint.keep_as"
TAKING_BACK = "s2s_cli.training.checkpoint.move"
# Which call of what is struck, before or after it.
MOMENTS = {
    "mid-epoch": (UPDATE, 3, "after"),
    "halving-1-and-epoch-end": (UPDATE, 10, "after"),
    "halving-2": (UPDATE, 15, "after"),
    "within-an-update": (UPDATE, 17, "before"),
    "first-validation": (VALIDATION, 1, "before"),
    "third-validation": (VALIDATION, 3, "after"),
    "first-checkpoint": (WRITING, 1, "before"),
    "first-best": (WRITING, 2, "before"),
    "second-checkpoint": (WRITING, 3, "before"),
    "second-checkpoint-without-its-name": (WRITING, 3, "after"),
    "after-second-checkpoint": (WRITTEN, 3, "after"),
    "later-write": (WRITING, 6, "before"),
}
KINDS = {
    "TERM": signal.SIGTERM,
    "INT": signal.SIGINT,
    "USR1": signal.SIGUSR1,
    "KILL": signal.SIGKILL,
}


class Killed(BaseException):
    """Nobody catches it."""


@pytest.fixture(autouse=True)
def corpus(monkeypatch: pytest.MonkeyPatch) -> Corpus:
    return small_corpus(monkeypatch)


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where trainings lie that nothing has disturbed."""
    return tmp_path_factory.mktemp("wholes")


def logged(told: str) -> Log:
    """The lines of the log, without speed and time left."""
    lines = [line for line in told.splitlines() if line.startswith("update ")]
    return [line if "validation" in line else line[:58] for line in lines]


def undisturbed(wholes: Path, name: str, capsys: pytest.CaptureFixture[str]) -> Path:
    """The model directory of a training, made once; beside it lies its log."""
    directory = wholes / name
    if not directory.exists():
        capsys.readouterr()
        assert run(directory, **TRAININGS[name]).finished
        directory.with_suffix(".log").write_text("\n".join(logged(capsys.readouterr().err)))
    return directory


def assert_same_trainings(one: Path, other: Path) -> None:
    assert_same(final(one), final(other))
    best = [torch.load(each / "best.pt", weights_only=True) for each in (one, other)]
    assert_same(*best)
    assert metrics(one) == metrics(other)
    assert {each.name for each in one.iterdir()} == {each.name for each in other.iterdir()}


@contextmanager
def struck(target: str, call: int, when: str, strike: Callable[[], None]) -> Iterator[list[int]]:
    """Strike at one call of a function; yields how often it was called."""
    calls = [0]
    with pytest.MonkeyPatch.context() as patched:
        real: Any = Trainer.update if target == UPDATE else None
        if real is None:
            module, _, name = target.rpartition(".")
            real = getattr(__import__(module, fromlist=[name]), name)

        def function(*arguments: Any, **options: Any) -> Any:
            calls[0] += 1
            if calls[0] == call and when == "before":
                strike()
            result = real(*arguments, **options)
            if calls[0] == call and when == "after":
                strike()
            return result

        patched.setattr(target, function)
        yield calls


def kill() -> None:
    def leave(self: Path, missing_ok: bool = False) -> None:
        """A killed process cleans nothing up."""

    killing.setattr(Path, "unlink", leave)
    raise Killed


killing = pytest.MonkeyPatch()


def end_by(kind: str, directory: Path, settings: Settings, moment: tuple[str, int, str]) -> None:
    """Train until a signal or a kill comes at ``moment``."""
    number = KINDS[kind]
    killed = number == signal.SIGKILL
    strike = kill if killed else lambda: signal.raise_signal(number)
    with struck(*moment, strike) as calls:
        try:
            stopped = run(directory, **settings)
            assert calls[0] >= moment[1], "it never came to that"
            assert stopped == Stopped(finished=False, signal=number) and not killed
        except Killed:
            assert killed
        finally:
            killing.undo()


def cases() -> list[tuple[str, str, str]]:
    """Every moment with a kill and a signal for one training; a third of them for each other."""
    kinds = list(KINDS)
    signals = itertools.cycle(kinds[:3])
    first = [("sgd", moment, kind) for moment in MOMENTS for kind in (next(signals), "KILL")]
    others = [
        (name, moment, kinds[(place + shift) % len(kinds)])
        for shift, name in enumerate(("adam", "bf16", "patience"))
        for place, moment in enumerate(MOMENTS)
        if place % 3 == shift
    ]
    return first + others


@pytest.mark.parametrize(("name", "moment", "kind"), cases())
def test_stopped_anywhere_it_goes_on(
    name: str,
    moment: str,
    kind: str,
    wholes: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole, parts = undisturbed(wholes, name, capsys), tmp_path / "parts"
    end_by(kind, parts, TRAININGS[name], MOMENTS[moment])
    assert run(parts, **TRAININGS[name]).finished
    assert_same_trainings(parts, whole)
    # After a signal no update is done twice; after a kill it is told twice in the same words.
    log, expected = logged(capsys.readouterr().err), whole.with_suffix(".log").read_text()
    if kind == "KILL":
        log = sorted(set(log), key=expected.find)
    assert log == expected.splitlines()


def test_patience_does_end_the_training_early(
    wholes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Or the cases above would not try it; so with the rate, which is halved."""
    progress = final(undisturbed(wholes, "patience", capsys))["progress"]
    assert progress["stale_validations"] == 3
    assert progress["updates"] < 30
    rates = {each.get("learning_rate") for each in metrics(undisturbed(wholes, "sgd", capsys))}
    assert {0.7, 0.35, 0.175} <= rates


@pytest.mark.parametrize("stop_at", [1, 5, 7, 15, 28])
@pytest.mark.parametrize("name", ["sgd", "bf16", "patience"])
def test_a_limit_leaves_no_trace(
    name: str, stop_at: int, wholes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where the end of a run makes a validation that the training does not have."""
    whole, parts = undisturbed(wholes, name, capsys), tmp_path / "parts"
    updates = final(whole)["progress"]["updates"]
    for limit in (stop_at, stop_at + 1):
        assert run(parts, **TRAININGS[name], max_updates=limit).finished
        if limit <= updates:
            last = [each["update"] for each in metrics(parts) if "validation_perplexity" in each]
            assert last[-1] == limit
    assert run(parts, **TRAININGS[name]).finished
    assert_same_trainings(parts, whole)


def test_the_best_weights_are_those_of_the_end_until_the_training_goes_on(tmp_path: Path) -> None:
    run(tmp_path / "model", **LEARNING, max_updates=17)
    last, best = (
        torch.load(tmp_path / "model" / each, weights_only=True) for each in ("last.pt", "best.pt")
    )
    found = [each for each in metrics(tmp_path / "model") if "validation_perplexity" in each]
    assert found[-1]["update"] == 17  # a better one, but none of the training
    assert found[-1]["validation_perplexity"] < found[-2]["validation_perplexity"]
    assert last["progress"]["best_update"] == 15
    assert_same(best["model"], last["model"])


@pytest.mark.parametrize(
    ("save_every", "target", "call"),
    [
        *((each, WRITING, call) for each in (0, 100) for call in (1, 2)),
        *((each, target, 1) for each in (0, 100) for target in (KEEPING, TAKING_BACK)),
    ],
)
@pytest.mark.parametrize("end", [17, 20], ids=["to the same end", "to a later one"])
def test_killed_where_the_end_of_a_run_writes(
    save_every: int, target: str, call: int, end: int, tmp_path: Path
) -> None:
    """The weights of a validation that the training does not have: kept, written, taken back."""
    settings = {**LEARNING, "save_every": save_every}
    for each in ("whole", "parts"):
        run(tmp_path / each, **settings, max_updates=16)
    run(tmp_path / "whole", **settings, max_updates=end)
    with struck(target, call, "before", kill):
        try:
            with pytest.raises(Killed):
                run(tmp_path / "parts", **settings, max_updates=17)
        finally:
            killing.undo()
    run(tmp_path / "parts", **settings, max_updates=end)
    assert_same_trainings(tmp_path / "parts", tmp_path / "whole")


def test_out_of_time_it_stops_and_goes_on(
    wholes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole, parts = undisturbed(wholes, "adam", capsys), tmp_path / "parts"
    with monkeypatch.context() as patched:
        patched.setattr(Clock, "elapsed", lambda clock: 25.0 * clock.updates)
        for _ in range(3):
            assert run(parts, **ADAM, max_minutes=3) == Stopped(finished=False)
    assert final(parts)["progress"]["updates"] == 3 * 8
    run(parts, **ADAM)
    assert_same_trainings(parts, whole)


def test_a_second_signal_does_what_it_did_before() -> None:
    """At once, without Python: it would not come to its handler while a computation hangs."""
    before = signal.getsignal(signal.SIGTERM)
    with StopSignals() as signals:
        assert signal.getsignal(signal.SIGTERM) != before
        signal.raise_signal(signal.SIGINT)
        assert signals.received == signal.SIGINT
        assert signal.getsignal(signal.SIGTERM) == before
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signals.received == signal.SIGINT
    assert signal.getsignal(signal.SIGTERM) == before
