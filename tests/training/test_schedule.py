"""The learning rate that §3.4 prescribes."""

import pytest

from s2s_cli.training.config import TrainingConfig
from s2s_cli.training.schedule import learning_rate


def rate_at(position: float) -> float:
    paper = TrainingConfig()
    return learning_rate(paper.learning_rate, position, paper.halve_after, paper.halve_every)


@pytest.mark.parametrize(
    ("position", "halvings"),
    [
        (0, 0),
        (2.5, 0),
        (4.999, 0),
        (5, 1),
        (5.499, 1),
        (5.5, 2),
        (6, 3),
        (6.5, 4),
        (7, 5),
        (7.4, 5),
    ],
)
def test_halved_every_half_epoch_after_the_fifth(position: float, halvings: int) -> None:
    assert rate_at(position) == 0.7 / 2**halvings


@pytest.mark.parametrize("updates_per_epoch", [3, 7, 250, 93_751])
def test_positions_are_not_a_rounding_short_of_a_boundary(updates_per_epoch: int) -> None:
    halvings = 0
    for update in range(
        5 * updates_per_epoch, 8 * updates_per_epoch, max(1, updates_per_epoch // 50)
    ):
        while 2 * update >= (10 + halvings) * updates_per_epoch:
            halvings += 1
        assert rate_at(update / updates_per_epoch) == 0.7 / 2**halvings


def test_no_interval_no_halving() -> None:
    assert learning_rate(0.7, 100.0, 5.0, 0.0) == 0.7
