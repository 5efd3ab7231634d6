"""What TensorBoard shows of a training, as its own reader finds it."""

import importlib.util
import math
from pathlib import Path
from typing import Any

import pytest
from small import metrics, run, small_corpus
from test_best_by import Scripted

from s2s_cli.errors import UserError
from s2s_cli.training import board
from s2s_cli.training.board import Board, require_board
from s2s_cli.training.trainer import Trainer
from s2s_cli.training.validation import Sample, ValidationTranslations

needs_tensorboard = pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason="needs the package tensorboard"
)


class Killed(BaseException):
    """Nobody catches it."""


@pytest.fixture(autouse=True)
def corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    small_corpus(monkeypatch)


def shown(directory: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(directory))
    accumulator.Reload()
    return accumulator


def curve(directory: Path, name: str) -> list[tuple[int, float]]:
    return [(each.step, each.value) for each in shown(directory).Scalars(name)]


class Sampling(Scripted):
    def __call__(self, model: object) -> ValidationTranslations:
        made = super().__call__(model)
        return ValidationTranslations([Sample("<b>one</b>", "un", "deux *")], [], made.bleu)


def sampled() -> Any:
    return lambda data, trainer: Sampling([1.5] * 50)


@needs_tensorboard
def test_curves_and_samples_are_those_of_the_training(tmp_path: Path) -> None:
    run(
        tmp_path / "model", epochs=1, validate_bleu=5, tensorboard=tmp_path / "board",
        open_translator=sampled(),
    )  # fmt: skip
    windows = [each for each in metrics(tmp_path / "model") if "loss" in each]
    validations = [each for each in metrics(tmp_path / "model") if "loss" not in each]
    for name, field, lines in (
        ("training/loss", "loss", windows),
        ("training/gradient_norm", "gradient_norm", windows),
        ("validation/perplexity", "validation_perplexity", validations),
        ("validation/bleu", "validation_bleu", validations),
    ):
        found = dict(curve(tmp_path / "board", name))
        assert found == pytest.approx({each["update"]: each[field] for each in lines}, rel=1e-6)
    perplexities = curve(tmp_path / "board", "training/perplexity")
    assert perplexities[0][1] == pytest.approx(math.exp(windows[0]["loss"]), rel=1e-6)
    texts = shown(tmp_path / "board").Tensors("samples/1/text_summary")
    assert [each.step for each in texts] == [5, 10]
    text = texts[0].tensor_proto.string_val[0].decode()
    assert text == "    source: <b>one</b>\n    reference: un\n    hypothesis: deux *"


@needs_tensorboard
def test_a_training_that_goes_on_has_no_point_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after a kill, which leaves updates that are redone."""
    settings: dict[str, Any] = {"epochs": 1, "log_every": 1, "tensorboard": tmp_path / "board"}
    real = Trainer.update

    def update(self: Trainer, *arguments: Any, **options: Any) -> int:
        if self.progress.updates == 8:
            raise Killed
        return real(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "update", update)
        with pytest.raises(Killed):
            run(tmp_path / "model", **settings)
    run(tmp_path / "model", **settings)
    steps = [step for step, _ in curve(tmp_path / "board", "training/loss")]
    assert steps == list(range(1, 11))
    run(tmp_path / "whole", **{**settings, "tensorboard": tmp_path / "other"})
    for name in ("training/loss", "validation/perplexity"):
        assert curve(tmp_path / "board", name) == curve(tmp_path / "other", name)


@needs_tensorboard
def test_a_disk_that_fails_does_not_end_the_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    events = Board(tmp_path / "file" / "board", 0)
    events.samples(1, [Sample("a", "b", "c")])
    events.flush()
    assert "nothing more is written for TensorBoard (Not a directory)" in capsys.readouterr().err


def test_what_is_missing_is_said_before_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_board(None)
    monkeypatch.setattr(board, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs the package tensorboard: .*pip install .*\[tens"):
        require_board(tmp_path)
    monkeypatch.setattr(board, "find_spec", lambda name: object())
    require_board(tmp_path / "new" / "runs")
    assert (tmp_path / "new" / "runs").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file: is not a directory"):
        require_board(tmp_path / "file")
