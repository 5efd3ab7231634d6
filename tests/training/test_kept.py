"""The weights of the last validations, kept beside the best."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from small import CPU, assert_same, final, run, small_corpus

from s2s_cli.data.corpus import Corpus
from s2s_cli.errors import UserError
from s2s_cli.model.directory import load_model

ADAM: dict[str, Any] = {
    "optimiser": "adam",
    "learning_rate": 0.02,
    "dropout": 0.1,
}  # validations at 5, 10, ... 30


class Killed(BaseException):
    """Nobody catches it."""


@pytest.fixture(autouse=True)
def corpus(monkeypatch: pytest.MonkeyPatch) -> Corpus:
    return small_corpus(monkeypatch)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that nothing has disturbed."""
    directory = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        small_corpus(patch)
        run(directory, **ADAM, keep=2)
    return directory


def kept(directory: Path) -> list[str]:
    return sorted(each.name for each in directory.glob("*update-*"))


def weights(path: Path) -> Any:
    return torch.load(path, weights_only=True)["model"]


def test_they_are_those_of_the_last_validations_and_load_like_others(
    whole: Path, tmp_path: Path
) -> None:
    assert kept(whole) == ["update-25.pt", "update-30.pt"]
    run(tmp_path, **ADAM, max_updates=25)
    assert_same(weights(whole / "update-25.pt"), weights(tmp_path / "last.pt"))
    assert_same(weights(whole / "update-30.pt"), weights(whole / "last.pt"))
    model, _ = load_model(whole / "update-25.pt", CPU)
    assert_same(dict(model.state_dict()), weights(whole / "update-25.pt"))


def kill_at(call: int, patch: pytest.MonkeyPatch, name: str) -> None:
    """Kill the process before a call."""
    module, _, attribute = name.rpartition(".")
    proper: Callable[..., Any] = pytest.importorskip(module).__dict__[attribute]
    count = iter(range(1, 1000))

    def struck(*arguments: Any, **options: Any) -> Any:
        if next(count) == call:
            raise Killed
        return proper(*arguments, **options)

    patch.setattr(name, struck)


# Written one after another: a checkpoint, the best weights if they are, and the kept ones.
KILLS = [("s2s_cli.training.kept.save_tensors", call, every) for call in (1, 3) for every in (0, 7)]
KILLS += [("s2s_cli.training.checkpoint.save_tensors", 5, 0)]
KILLS += [("s2s_cli.training.trainer.perplexity", call, 7) for call in (4, 6)]


@pytest.mark.parametrize(("name", "call", "save_every"), KILLS)
def test_a_training_that_was_killed_keeps_the_same(
    name: str, call: int, save_every: int, whole: Path, tmp_path: Path
) -> None:
    settings = {**ADAM, "keep": 2, "save_every": save_every}
    with pytest.MonkeyPatch.context() as patch:
        small_corpus(patch)
        kill_at(call, patch, name)
        with pytest.raises(Killed):
            run(tmp_path, **settings)
    run(tmp_path, **settings)
    assert kept(tmp_path) == kept(whole)
    for each in (*kept(whole), "best.pt"):
        assert_same(weights(tmp_path / each), weights(whole / each))
    assert_same(final(tmp_path)["model"], final(whole)["model"])


def test_the_number_may_change_when_a_training_goes_on(tmp_path: Path) -> None:
    run(tmp_path, **ADAM, keep=3, max_updates=16)
    assert kept(tmp_path) == ["update-10.pt", "update-15.pt", "update-5.pt"]  # 16 is no validation
    run(tmp_path, **ADAM, max_updates=21)
    assert len(kept(tmp_path)) == 3
    run(tmp_path, **ADAM, keep=1, max_updates=26)
    assert kept(tmp_path) == ["update-25.pt"]
    (tmp_path / "update-25.pt").unlink()
    run(tmp_path, **ADAM, keep=1)
    assert kept(tmp_path) == ["update-30.pt"]
    (tmp_path / "update-30.pt").unlink()
    run(tmp_path, **ADAM, keep=1)  # has finished, and mends
    assert kept(tmp_path) == ["update-30.pt"]


def test_weights_of_a_run_that_was_lost_go(tmp_path: Path) -> None:
    run(tmp_path, **ADAM, keep=4, max_updates=12)
    (tmp_path / "update-25.pt").write_bytes(b"of a run that was killed")
    (tmp_path / ".update-15.pt.0123abcd.s2s.tmp").write_bytes(b"likewise")
    run(tmp_path, **ADAM, keep=4, max_updates=13)
    assert kept(tmp_path) == ["update-10.pt", "update-5.pt"]


def test_without_validation_text_they_are_kept_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    object.__setattr__(Corpus.open(tmp_path), "valid", None)
    kill_at(11, monkeypatch, "s2s_cli.training.trainer.step")
    with pytest.raises(Killed):
        run(tmp_path, keep=1, save_every=100, validate_every=4)
    assert kept(tmp_path) == ["update-8.pt"]
    assert final(tmp_path)["progress"]["updates"] == 4  # there is one to go on from


def test_kept_weights_without_a_checkpoint_are_not_destroyed(tmp_path: Path) -> None:
    run(tmp_path, **ADAM, keep=1, max_updates=5)
    for name in ("last.pt", "last.previous.pt", "best.pt"):
        (tmp_path / name).unlink(missing_ok=True)
    with pytest.raises(UserError, match=r"holds a trained model \(update-5\.pt\) but no last\.pt"):
        run(tmp_path, **ADAM, keep=1)


def test_there_has_to_be_room_for_them_before_the_first_update(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(
        "s2s_cli.training.checkpoint.require_room", lambda _, needed: asked.append(needed)
    )
    for keep in (0, 2, 10_000):
        run(tmp_path / str(keep), keep=keep, max_updates=20)
    size = sum(4 * each.numel() for each in weights(tmp_path / "0" / "last.pt").values())
    assert [each - asked[0] for each in asked] == [0, 3 * size, 5 * size]  # no more than there are
