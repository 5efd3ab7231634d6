"""The record of a training: what it says, and that it stays true however the training goes."""

import json
import math
import platform
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small import SHAPE, metrics, run, small_corpus

from s2s_cli import __version__
from s2s_cli.errors import UserError
from s2s_cli.training import recorder, trainer
from s2s_cli.training.config import TrainingConfig
from s2s_cli.training.record import Environment, TrainingData, TrainingRecord


class Killed(BaseException):
    """Nobody catches it."""


@pytest.fixture(autouse=True)
def corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    small_corpus(monkeypatch)


def record(directory: Path) -> TrainingRecord:
    found = TrainingRecord.read(directory)
    assert found is not None
    return found


def version(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(recorder, "__version__", name)


def starts(directory: Path) -> list[tuple[int, str]]:
    return [(each.after_update, each.s2s) for each in record(directory).environments]


def test_it_has_all_settings_and_how_far_the_training_came(tmp_path: Path) -> None:
    run(tmp_path, epochs=1.5, optimiser="adam", learning_rate=0.02)
    found = record(tmp_path)
    config = TrainingConfig(
        batch_size=32, log_every=4, epochs=1.5, optimiser="adam", learning_rate=0.02
    )
    expected = {**asdict(SHAPE), **asdict(config)}
    del expected["tensorboard"]  # a path, and nothing of the training
    assert found.settings == expected
    assert found.data == TrainingData("d", 300, 40)
    threads, machine = torch.get_num_threads(), platform.machine()
    python, version = platform.python_version(), str(torch.__version__)
    assert found.environments == (
        Environment(0, __version__, python, version, f"cpu ({machine})", 1, 1, threads),
    )
    validations = {
        each["validation_perplexity"]: each["update"]
        for each in metrics(tmp_path)
        if "validation_perplexity" in each
    }
    course = found.course
    assert (course.updates, course.total_updates, course.epochs) == (15, 15, 1.5)
    assert (course.best_perplexity, course.best_update) == min(validations.items())
    assert course.finished == "15 updates, 1.50 epochs"


def test_it_is_there_from_the_first_update_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any, **__: Any) -> int:
        raise Killed

    monkeypatch.setattr(trainer.Trainer, "update", killed)
    with pytest.raises(Killed):
        run(tmp_path)
    course = record(tmp_path).course
    assert (course.updates, course.best_update, course.finished) == (0, 0, "")
    assert course.best_perplexity == math.inf
    json.loads((tmp_path / "training.json").read_bytes(), parse_constant=pytest.fail)


def test_updates_that_are_done_again_are_of_the_environment_that_did_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed_after(updates: int) -> None:
        with monkeypatch.context() as patched:
            proper = trainer.Trainer.update

            def update(self: trainer.Trainer, *arguments: Any, **options: Any) -> int:
                if self.progress.updates == updates:
                    raise Killed
                return proper(self, *arguments, **options)

            patched.setattr(trainer.Trainer, "update", update)
            with pytest.raises(Killed):
                run(tmp_path)

    for name, end in (("1", 3), ("2", 7), ("3", 9), ("4", 12)):  # checkpoints at 5, 10 and so on
        version(monkeypatch, name)
        killed_after(end)
    assert starts(tmp_path) == [(0, "2"), (5, "4")]
    for updates in (20, 25):
        run(tmp_path, max_updates=updates)
        assert starts(tmp_path) == [(0, "2"), (5, "4")]  # nothing has changed
        assert record(tmp_path).settings["max_updates"] == updates
    version(monkeypatch, "5")
    run(tmp_path)
    assert starts(tmp_path) == [(0, "2"), (5, "4"), (25, "5")]
    version(monkeypatch, "6")
    before = (tmp_path / "training.json").read_bytes()
    run(tmp_path)  # has finished
    assert (tmp_path / "training.json").read_bytes() == before


def test_what_is_removed_or_damaged_is_not_known_any_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, max_updates=6)
    (tmp_path / "training.json").unlink()
    run(tmp_path, max_updates=8)
    assert [each.after_update for each in record(tmp_path).environments] == [6]
    (tmp_path / "training.json").write_text("{}")
    run(tmp_path, max_updates=10)
    assert "training.json: format None is not" in capsys.readouterr().err
    assert [each.after_update for each in record(tmp_path).environments] == [8]
    whole = record(tmp_path)
    (tmp_path / "training.json").unlink()
    run(tmp_path, max_updates=10)
    assert record(tmp_path) == replace(whole, environments=())


def test_that_of_other_data_is_none_of_this_training(tmp_path: Path) -> None:
    run(tmp_path, max_updates=6)
    found = record(tmp_path)
    replace(found, data=replace(found.data, sha256="other")).write(tmp_path)
    run(tmp_path, max_updates=8)
    assert [each.after_update for each in record(tmp_path).environments] == [6]


def test_someone_elses_file_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = tmp_path / "training.json"
    path.write_text('{"format": 1, "mine": true}')
    with pytest.raises(UserError, match=r"training\.json: is no record of a training; remove it"):
        run(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_validation_of_the_end_counts_as_long_as_it_is_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [9.0, 8.0, 8.5]
    monkeypatch.setattr(trainer, "perplexity", lambda *_: found.pop(0))
    run(tmp_path, max_updates=6)
    course = record(tmp_path).course
    assert (course.best_update, course.best_perplexity) == (6, 8.0)
    run(tmp_path, max_updates=10)
    course = record(tmp_path).course
    assert (course.best_update, course.best_perplexity) == (10, 8.5)


def test_a_kill_after_the_last_checkpoint_leaves_nothing_unsaid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(recorder.Recorder, "update", killed)
        with pytest.raises(Killed):
            run(tmp_path, max_updates=5)
    assert not record(tmp_path).course.finished
    run(tmp_path, max_updates=5)
    assert record(tmp_path).course.finished == "5 updates, 0.50 epochs"
    assert len(record(tmp_path).environments) == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("settings", ["epochs"]),
        ("settings", {"epochs": None}),
        ("settings", {"epochs": [1]}),
        ("data", {}),
        ("environments", {}),
        ("environments", None),
        ("environments", [{"after_update": -1}]),
        ("course", {"updates": -1, "total_updates": 2, "epochs": 1.0}),
        ("course", {"updates": 1, "total_updates": 2, "epochs": float("nan")}),
        ("course", {"updates": True, "total_updates": 2, "epochs": 1.0}),
    ],
)
def test_what_no_training_writes_is_refused(key: str, value: Any, tmp_path: Path) -> None:
    run(tmp_path, max_updates=1)
    path = tmp_path / "training.json"
    content = json.loads(path.read_bytes())
    path.write_text(json.dumps({**content, key: value}))
    with pytest.raises(UserError, match=r"training\.json: is no record of a training"):
        TrainingRecord.read(tmp_path)
