"""Notes during a training: where they are due, and nowhere else."""

from types import SimpleNamespace
from typing import Any

import pytest

from s2s_cli.training.hints import STALE, Hints
from s2s_cli.training.metrics import WindowMetrics


def made(clipped: int = 0) -> tuple[Hints, Any]:
    """Hints of a training in its third epoch, of which nothing is to be said."""
    trainer: Any = SimpleNamespace(
        config=SimpleNamespace(patience=0, clip_norm=5.0),
        progress=SimpleNamespace(stale_validations=0, updates=250),
        schedule=SimpleNamespace(epochs=lambda updates: updates / 100),
        clipped=clipped,
    )
    return Hints(trainer), trainer


def epoch(hints: Hints, number: int, *losses: float, updates: int = 100) -> None:
    for loss in losses:
        hints.logged(WindowMetrics(1, 1.0, loss, 0.7, 1.0, 0, 1.0))
    hints.epoch_ended(number, updates)


def test_a_loss_that_does_not_fall_for_an_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    hints, _ = made()
    epoch(hints, 1, 5.0, 5.0, 4.0)
    epoch(hints, 2, 4.9, 4.8, 4.2)  # falls
    assert not capsys.readouterr().err
    epoch(hints, 3, 5.0, 5.0, 5.0)
    assert "did not fall in epoch 3: 5.000 after 4.633; a lower" in capsys.readouterr().err
    epoch(hints, 4, 6.0, 6.0, 6.0)  # has been said
    assert not capsys.readouterr().err
    hints, _ = made()
    epoch(hints, 1, 4.0)
    epoch(hints, 2, 5.0)  # too few to say
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "clipped", "updates", "said"),
    [(2, 100, 100, True), (1, 100, 100, False), (2, 99, 100, False), (2, 5, 5, False)],
)
def test_gradients_that_are_all_clipped(
    number: int, clipped: int, updates: int, said: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    hints, _ = made(clipped)
    epoch(hints, number, updates=updates)
    assert ("every gradient of epoch 2 was clipped" in capsys.readouterr().err) == said


@pytest.mark.parametrize(
    ("patience", "stale", "said"), [(0, STALE, True), (0, STALE - 1, False), (9, STALE, False)]
)
def test_validations_that_get_no_better(
    patience: int, stale: int, said: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    hints, trainer = made()
    trainer.config.patience, trainer.progress.stale_validations = patience, stale
    hints.validated([])
    assert ("--patience 6 ends such a training" in capsys.readouterr().err) == said


@pytest.mark.parametrize(
    ("updates", "hypotheses", "said"),
    [
        (250, ["Un homme.", "Un homme."], "all 2 validation sentences are translated as 'Un homme"),
        (250, ["", "", ""], "all 3 validation sentences are translated as nothing: so far"),
        (250, ["Un homme.", "Une femme."], ""),
        (250, ["Un homme."], ""),
        (100, ["", ""], ""),
    ],
)
def test_translations_that_are_all_alike(
    updates: int, hypotheses: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    hints, trainer = made()
    trainer.progress.updates = updates
    hints.validated(hypotheses)
    told = capsys.readouterr().err
    assert (said in told) if said else not told
