"""Values of features as tuners see them: differences in units of their usual size."""

import sys
from operator import mul

import pytest
import torch

from s2s_cli.rescoring.candidates import Candidates, bleu
from s2s_cli.scoring.statistics import corpus_bleu

LARGEST = sys.float_info.max
# Differences of the feature at hand in two segments
SEGMENTS: list[list[float]] = [[0, 1, 2], [0, -1, 3, 1]]


def made(*columns: list[list[float]]) -> Candidates:
    """Candidates with the given columns, each a list of values for each segment."""
    rows = [torch.tensor(each, dtype=torch.float64).T for each in zip(*columns, strict=True)]
    return Candidates.of(rows, [torch.ones(len(each), 10, dtype=torch.int32) for each in rows])


@pytest.mark.parametrize(
    ("scale", "shift"),
    [(1, 0), (1, 7), (1e-300, 0), (1e154, 0), (LARGEST / 4, 0), (LARGEST / 8, LARGEST / 2)],
)
def test_units_are_the_same_whatever_the_scale_is(scale: float, shift: float) -> None:
    column = [[each * scale + shift for each in segment] for segment in SEGMENTS]
    feature = made(column)
    torch.testing.assert_close(
        feature.values.diff(dim=2), made(SEGMENTS).values.diff(dim=2), rtol=1e-9, atol=1e-9
    )
    assert feature.row(torch.tensor([-3.0])) == [-1]
    assert feature.weights([0.25]).isfinite().all()


@pytest.mark.parametrize(
    "column",
    [
        [[0.1, 0.1, 0.1], [0.1, 0.1]],
        [[-5.8366] * 3, [-1e300] * 2],
        [[0.3, 0.1 + 0.2, 0.3], [7, 7]],  # sums in another order
        [[0.0] * 3, [0.0] * 2],
        [[LARGEST] * 3, [-LARGEST] * 2],
    ],
)
def test_what_never_differs_within_a_segment_takes_no_part(column: list[list[float]]) -> None:
    feature = made([[1.0, 2, 3], [4, 5]], column)
    assert feature.features == [0]
    assert feature.row(torch.tensor([2.0])) == [1, 0]
    assert made(column).values.numel() == 0


@pytest.mark.parametrize("log_zero", [-99.0, -1e10, -1e30, -LARGEST])
@pytest.mark.parametrize("share", [1, 2])
def test_log_zeros_hide_nothing(log_zero: float, share: int) -> None:
    plain = [[-1.25, -1.5, -1.75, -2.0], [-3.0, -3.5, -3.25, -3.75]]
    column = [[*segment, *[log_zero] * share] for segment in plain]
    found, without = made(column).values[0, :, :4], made(plain).values[0]
    ratio = (found[0, 0] - found[0, 1]) / (without[0, 0] - without[0, 1])
    torch.testing.assert_close(found.diff(dim=1), without.diff(dim=1) * ratio)
    assert 0.1 < ratio < 10
    assert (made(column).values[0, :, 4:] < found.amin(1, keepdim=True) - 10).all()


def test_weights_become_those_of_a_row_and_back() -> None:
    columns: list[list[list[float]]] = [
        [[0.0, 4e200, 1e201]],
        [[3.0, 3, 3]],
        [[0.0, 1e-7, -1e-7]],
        [[0.0, -7, 2]],
    ]
    features = made(*columns)
    weights = torch.tensor([0.5, -1, 0.25], dtype=torch.float64)
    row = features.row(weights)
    assert sum(map(abs, row)) == pytest.approx(1) and row[1] == 0
    again = features.weights(row)
    torch.testing.assert_close(again / again.abs().max(), weights)
    by_row = [sum(map(mul, row, each)) for each in zip(*(c[0] for c in columns), strict=True)]
    by_units = features.along(weights)[0].tolist()
    ratios = [(each[1] - each[0]) / (each[2] - each[0]) for each in (by_row, by_units)]
    assert ratios[0] == pytest.approx(ratios[1])


def test_short_lists_are_filled_up_without_changing_a_winner() -> None:
    generator = torch.Generator().manual_seed(1)
    rows = [torch.randn(n, 2, generator=generator, dtype=torch.float64) for n in (2, 7)]
    found = Candidates.of(rows, [torch.ones(len(each), 10, dtype=torch.int32) for each in rows])
    weights = [0.75, -0.25]
    expected = [int((each @ torch.tensor(weights).double()).argmax()) for each in rows]
    assert found.along(found.weights(weights)).argmax(1).tolist() == expected


def test_a_scaled_copy_of_a_feature_has_the_same_values() -> None:
    twice = made(SEGMENTS, [[-3 * each for each in segment] for segment in SEGMENTS])
    once = made(SEGMENTS)
    torch.testing.assert_close(twice.values, torch.cat([once.values, -once.values]))


def test_bleu_of_tensors_is_bleu() -> None:
    rows = [
        [9, 10, 7, 5, 3, 1, 9, 8, 7, 6],
        [12, 10, 7, 5, 3, 1, 12, 11, 10, 9],
        [9, 9, 7, 5, 3, 0, 9, 8, 7, 6],
        [0, 5] + 8 * [0],
    ]
    assert bleu(torch.tensor(rows)).tolist() == pytest.approx([corpus_bleu(row) for row in rows])
