"""The learning rate that §3.4 prescribes."""

from pathlib import Path
from typing import Any

import pytest

from s2s_cli.errors import UsageError
from s2s_cli.training.config import TrainingConfig
from s2s_cli.training.schedule import Schedule, learning_rate


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


def test_checkpoints_follow_validations_or_the_interval_that_is_set(tmp_path: Path) -> None:
    last = tmp_path / "last.pt"

    def due(**settings: Any) -> list[int]:
        schedule = Schedule(TrainingConfig(epochs=3, **settings), updates_per_epoch=10)
        return [each for each in range(1, 31) if schedule.is_checkpoint_due(each, last)]

    assert due() == [5, 10, 15, 20, 25, 30]
    assert due(validate_every=12) == [12, 24, 30]  # at the end, too
    # The first validation may find best weights, which are not to be alone.
    assert due(save_every=8, validate_every=12) == [8, 12, 16, 24, 30]
    last.touch()
    assert due(save_every=8, validate_every=12) == [8, 16, 24]


def test_halving_more_often_than_numbers_can_tell_ends_at_nothing() -> None:
    assert learning_rate(0.7, 6.0, 5.0, 1e-310) == 0.0
    assert learning_rate(0.7, 5.0, 5.0, 1e-310) == 0.35


@pytest.mark.parametrize(
    ("epochs", "updates_per_epoch", "updates"),
    [
        (1, 1, 1),
        (1.4, 1, 1),
        (1.5, 1, 2),  # halves are not rounded to even
        (2.5, 1, 3),
        (7.5, 3, 23),
        (0.29, 100, 29),  # though 0.29 * 100 is less
        (1.005, 100, 101),
        (7.5, 93_751, 703_133),
    ],
)
def test_a_half_or_more_of_an_update_counts_as_one(
    epochs: float, updates_per_epoch: int, updates: int
) -> None:
    schedule = Schedule(TrainingConfig(epochs=epochs), updates_per_epoch)
    schedule.check()
    assert schedule.total_updates == updates


@pytest.mark.parametrize(("epochs", "told"), [(0.5, "0.5 is no update"), (0, "0 is no update")])
def test_less_than_an_update_is_refused(epochs: float, told: str) -> None:
    with pytest.raises(UsageError, match=f"--epochs {told}.*has 1; give 1 or more"):
        Schedule(TrainingConfig(epochs=epochs), 1).check()
    with pytest.raises(UsageError, match=r"has 400; give 0\.0025 or more"):
        Schedule(TrainingConfig(epochs=0.0024), 400).check()


@pytest.mark.parametrize("updates_per_epoch", [1, 3, 7, 10, 700, 93_751, 123_456_789])
def test_as_many_epochs_as_a_refusal_asks_for_are_enough(updates_per_epoch: int) -> None:
    with pytest.raises(UsageError) as refused:
        Schedule(TrainingConfig(epochs=0.0), updates_per_epoch).check()
    enough = float(str(refused.value).split()[-3])
    schedule = Schedule(TrainingConfig(epochs=enough), updates_per_epoch)
    schedule.check()
    assert schedule.total_updates == 1


@pytest.mark.parametrize(
    ("settings", "faded"),
    [
        ({"epochs": 7.5}, None),
        ({"epochs": 20.0}, 196),  # after 5 + 29 / 2 epochs: halved 30 times
        ({"halve_after": 1.0, "halve_every": 1e-12}, 12),
        ({"halve_every": 0.0, "epochs": 100}, None),
        ({"learning_rate": 0.0}, 1),
    ],
)
def test_the_rate_fades(settings: dict[str, Any], faded: int | None) -> None:
    assert Schedule(TrainingConfig(**settings), 10).faded() == faded


def test_a_run_is_as_long_as_its_epochs_or_as_it_is_told() -> None:
    assert Schedule(TrainingConfig(epochs=2.5), 7).total_updates == 18  # 17.5
    assert Schedule(TrainingConfig(epochs=2.5, max_updates=9), 7).total_updates == 9


def test_a_validation_of_the_end_alone_does_not_last() -> None:
    schedule = Schedule(TrainingConfig(epochs=2, validate_every=8), 10)
    asked = [8, 9, 16, 20]
    assert [schedule.is_validation_due(each) for each in asked] == [True, False, True, True]
    assert [schedule.is_lasting_validation(each) for each in asked] == [True, False, True, False]
    assert not Schedule(TrainingConfig(), 10, has_validation=False).is_validation_due(5)


def test_a_schedule_counts_in_epochs_of_its_updates() -> None:
    schedule = Schedule(TrainingConfig(log_every=4), 10)
    assert schedule.epochs(25) == 2.5
    assert [schedule.learning_rate(updates) for updates in (49, 50, 55)] == [0.7, 0.35, 0.175]
    assert [updates for updates in range(1, 13) if schedule.is_log_due(updates)] == [4, 8, 12]


def test_without_an_interval_there_is_a_checkpoint_every_thousand_updates(tmp_path: Path) -> None:
    schedule = Schedule(TrainingConfig(), 1_000_000)
    due = [
        each
        for each in (1, 500, 999, 1000, 1001, 2000)
        if schedule.is_checkpoint_due(each, tmp_path)
    ]
    assert due == [1000, 2000]
