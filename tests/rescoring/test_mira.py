"""Batch MIRA: hope, fear and updates against arithmetic by hand."""

import math

import pytest
import torch
from torch import Tensor

from s2s_cli.rescoring.candidates import COUNTS, Candidates
from s2s_cli.rescoring.config import TunerConfig
from s2s_cli.rescoring.mira import DECAY, EPOCHS, LARGEST_STEP, Mira, mira

# Length, reference length, matches and n-grams of orders 1 to 4, of a reference of four words
RIGHT = [4, 4, 4, 3, 2, 1, 4, 3, 2, 1]
HALF = [4, 4, 2, 1, 0, 0, 4, 3, 2, 1]
WRONG = [4, 4, 0, 0, 0, 0, 4, 3, 2, 1]
COUNTED = torch.tensor([RIGHT, HALF, WRONG], dtype=torch.int32)


def gain(matches: list[int]) -> float:
    """BLEU with one of each count in the background, times both reference lengths."""
    shares = [(1 + n) / (1 + of) for n, of in zip(matches, (4, 3, 2, 1), strict=True)]
    return 5 * math.prod(shares) ** 0.25


GAINS = [gain([4, 3, 2, 1]), gain([2, 1, 0, 0]), gain([0, 0, 0, 0])]


def state(*weights: float) -> Mira:
    return Mira(torch.tensor(weights).double(), torch.ones(COUNTS, dtype=torch.float64))


def values(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def test_gains_are_those_of_bleu_with_its_background() -> None:
    assert GAINS[0] == 5
    assert state(0).gains(COUNTED).tolist() == pytest.approx(GAINS)


def test_a_step_is_bounded() -> None:
    made = state(0, 1)
    # Scores are 0, 0, 1: hope is the first (5), fear the third (1 - gain).
    made.update(values([1, 0], [0, 0], [0, 1]), COUNTED)
    assert made.weights.tolist() == pytest.approx([LARGEST_STEP, 1 - LARGEST_STEP])
    expected = [DECAY + each for each in RIGHT]
    assert made.background.tolist() == pytest.approx(expected)


def test_a_step_goes_just_as_far_as_needed() -> None:
    made = state(0.0, 0.0)
    made.update(values([100, 0], [0, 0], [0, 50]), COUNTED)
    # The loss is the difference of gains; it is divided by 100 squared and 50 squared.
    step = (GAINS[0] - GAINS[2]) / (100**2 + 50**2)
    assert step < LARGEST_STEP
    assert made.weights.tolist() == pytest.approx([100 * step, -50 * step])
    scores = values([100, 0], [0, 50]) @ made.weights
    assert float(scores[0] - scores[1]) == pytest.approx(GAINS[0] - GAINS[2])


def test_a_liked_hypothesis_may_be_hope_though_another_is_better() -> None:
    made = state(1.0)
    likes = [0.0, 4.0, 6.0]
    hope = max(range(3), key=lambda n: likes[n] + GAINS[n])
    fear = max(range(3), key=lambda n: likes[n] - GAINS[n])
    assert (hope, fear) == (2, 2)
    made.update(values(*[[each] for each in likes]), COUNTED)
    assert made.weights.tolist() == [1]
    assert made.background.tolist() == pytest.approx([DECAY + each for each in WRONG])


def test_what_is_told_apart_already_changes_nothing() -> None:
    made = state(10.0)
    made.update(values([1], [0.5], [0]), COUNTED)
    assert made.weights.tolist() == [10]


def test_weights_are_averages_of_all_so_far() -> None:
    candidates = Candidates.of([values([2], [0], [-2])], [COUNTED])
    found = mira(candidates, TunerConfig("mira"))
    assert len(found) == EPOCHS
    made, total = state(0), 0.0
    for epoch, (value, weights) in enumerate(found[:5], 1):
        made.update(candidates.values[:, 0].T, candidates.counts[0])
        total += float(made.weights)
        assert float(weights) == pytest.approx(total / epoch)
        assert value == 100


def test_the_same_seed_gives_the_same_weights() -> None:
    candidates = Candidates.of([values([2, 0], [0, 1], [-2, 0])] * 3, [COUNTED] * 3)
    found, again, other = (
        [weights.tolist() for _, weights in mira(candidates, TunerConfig("mira", seed=seed))]
        for seed in (4, 4, 5)
    )
    assert found == again
    assert all(math.isfinite(weight) for weights in other for weight in weights)
