"""Files of a model that are removed: made again where that is possible, told of where not."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small import CPU, run, small_corpus

from s2s_cli.errors import UserError
from s2s_cli.model.directory import load_model
from s2s_cli.training import trainer
from s2s_cli.training.trainer import Trainer


@pytest.fixture(autouse=True)
def corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    small_corpus(monkeypatch)


@pytest.fixture
def perplexities(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What validations find, one after another."""
    found: list[float] = []
    monkeypatch.setattr(trainer, "perplexity", lambda *_: found.pop(0))
    return found


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A training that has ended."""
    run(tmp_path / "model", epochs=0.3)
    return tmp_path / "model"


@pytest.mark.parametrize("name", ["model.json", "vocab.en", "vocab.fr"])
def test_a_description_is_written_again(
    name: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (model / name).read_bytes()
    for spoil in (Path.unlink, lambda path: path.write_bytes(b"{}")):
        spoil(model / name)
        assert run(model, epochs=0.3).finished
        assert "its description was not there any more, and is written" in capsys.readouterr().err
        assert (model / name).read_bytes() == before
        load_model(model, CPU)


def test_best_weights_that_are_the_last_ones_are_written_again(
    tmp_path: Path, perplexities: list[float]
) -> None:
    perplexities += [12.0, 11.0]
    for _ in range(2):
        assert run(tmp_path, epochs=0.3, validate_every=2).finished
        load_model(tmp_path / "best.pt", CPU)
        (tmp_path / "best.pt").unlink()


def test_best_weights_that_are_gone_are_told_of(
    tmp_path: Path, perplexities: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    perplexities += [10.0, 11.0, 12.0]
    run(tmp_path, epochs=0.3, validate_every=2)
    (tmp_path / "best.pt").unlink()
    with pytest.raises(UserError, match=r"best\.pt: is missing, .* update 2, are in no other file"):
        run(tmp_path, epochs=0.3, validate_every=2)
    load_model(tmp_path, CPU)  # the last ones
    run(tmp_path, epochs=0.4, validate_every=2)
    assert "update 2, are in no other file; going on" in capsys.readouterr().err


def anew(model: Path) -> None:
    shutil.rmtree(model)
    model.mkdir()


REMOVED: dict[str, Callable[[Path], Any]] = {
    "all": shutil.rmtree,
    "all, and made anew": anew,
    "moved": lambda model: model.rename(model.with_name("moved")),
    "metrics": lambda model: (model / "metrics.jsonl").unlink(),
}


def removing(update: int, remove: Callable[[Path], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have something removed after an update."""
    proper = Trainer.update

    def updated(self: Trainer, *arguments: Any, **options: Any) -> int:
        words = proper(self, *arguments, **options)
        if self.progress.updates == update:
            remove(self.directory)
        return words

    monkeypatch.setattr(Trainer, "update", updated)


@pytest.mark.parametrize("what", REMOVED)
@pytest.mark.parametrize("log_every", [1, 100])
def test_what_is_removed_during_a_training_ends_it(
    what: str, log_every: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removing(2, REMOVED[what], monkeypatch)
    with pytest.raises(UserError, match=r"metrics\.jsonl: was removed or replaced during"):
        run(tmp_path / "model", epochs=0.4, log_every=log_every, validate_every=100)
    assert not (tmp_path / "model" / "last.pt").exists()
    if what in ("all", "moved"):
        assert not (tmp_path / "model").exists()


def test_a_description_that_is_removed_during_a_training_is_there_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    removing(2, lambda model: (model / "model.json").unlink(), monkeypatch)
    assert run(tmp_path / "model", epochs=0.3).finished
    assert "is written again" in capsys.readouterr().err
    load_model(tmp_path / "model", CPU)


@pytest.mark.parametrize("kind", ["file", "link"])
def test_metrics_of_someone_else_are_refused_before_anything_is_written(
    kind: str, tmp_path: Path
) -> None:
    path, mine = tmp_path / "model" / "metrics.jsonl", tmp_path / "mine.txt"
    path.parent.mkdir()
    mine.write_bytes(b"of someone else\n")
    if kind == "file":
        mine.rename(path)
    else:
        path.symlink_to(mine)
    with pytest.raises(UserError, match=r"metrics\.jsonl: (no training wrote|is a link)"):
        run(path.parent, epochs=0.3)
    assert list(path.parent.iterdir()) == [path]
    assert path.read_bytes() == b"of someone else\n"
