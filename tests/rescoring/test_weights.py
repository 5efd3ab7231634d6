"""The file of weights: written, read back, checked against a list."""

import math
import sys
import tomllib
from pathlib import Path

import pytest

from s2s_cli.errors import UserError
from s2s_cli.rescoring.weights import Weights, weighted_sums
from s2s_cli.rescoring.winners import argmax

LARGEST = sys.float_info.max
LAYOUT = {"total": 1, "TM 0": 2, "s2s": 1}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "weights.toml"
    weights = Weights.of_row(LAYOUT, [0.1, 1 / 3, -2e-7, 1])
    with path.open("wb") as stream:
        Weights(weights.values, {"tuned": {"list": 'a"b', "seed": 1}}).write(stream)
    assert Weights.read(path) == weights
    assert "sparse" not in path.read_text("utf-8")
    assert tomllib.loads(path.read_text("utf-8"))["tuned"] == {"list": 'a"b', "seed": 1}
    assert weights.row(LAYOUT, path) == pytest.approx([0.1, 1 / 3, -2e-7, 1], rel=1e-8)


def test_a_person_may_leave_features_out(tmp_path: Path) -> None:
    path = tmp_path / "weights.toml"
    path.write_text("[weights]\ntotal = 1\ns2s = [0.5]\n", "utf-8")
    assert Weights.read(path).row(LAYOUT, path) == [1, 0, 0, 0.5]


def test_sparse_features_have_a_section_and_lists_may_lack_them(tmp_path: Path) -> None:
    path = tmp_path / "weights.toml"
    weights = Weights.of_row({**LAYOUT, "wt_=~é": 1}, [1, 2, 3, 4, 5], frozenset(["wt_=~é"]))
    with path.open("wb") as stream:
        weights.write(stream)
    assert path.read_text("utf-8").endswith('\n[sparse-weights]\n"wt_=~é" = [5.0]\n')
    assert Weights.read(path) == weights
    assert weights.row(LAYOUT, path) == [1, 2, 3, 4]
    path.write_text("[sparse-weights]\ns2s = 2\n", "utf-8")
    assert Weights.read(path).row({"total": 1}, path) == [0]


def test_a_list_may_lack_what_has_a_weight_of_0(tmp_path: Path) -> None:
    weights = Weights({"total": [1.0], "Unk": [0.0], "TM": [0, 0]})
    assert weights.row({"total": 1, "LM": 2}, tmp_path) == [1, 0, 0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("weights", "not valid TOML"),
        ("[tuned]\na = 1", "no section [weights]"),
        ("weights = 1", "no section [weights]"),
        ("[weights]", "no section [weights]"),
        ("[weights]\ns2s = 'x'", "weight of s2s"),
        ("[weights]\ns2s = [true]", "weight of s2s"),
        ("[weights]\ns2s = [1, 'x']", "weight of s2s"),
        ("[weights]\ns2s = [nan]", "weight of s2s"),
        ("[weights]\ns2s = []", "weight of s2s"),
        ("[weights]\nlm = 1", "lm, which the list has not"),
        ("sparse-weights = 1", "no section [sparse-weights]"),
        ("[sparse-weights]\ns2s = [nan]", "weight of s2s"),
        ("[weights]\ns2s = 1\n[sparse-weights]\ns2s = 1", "s2s is in [weights] and in"),
        ("[sparse-weights]\ns2s = [1, 2]", "2 weights of the feature s2s, which has 1"),
        ("[weights]\ns2s = [1, 2]", "2 weights of the feature s2s, which has 1"),
    ],
)
def test_weights_that_cannot_be_meant(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "w.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(UserError) as error:
        Weights.read(path).row(LAYOUT, path)
    assert str(error.value).startswith(f"{path}: ")
    assert told in str(error.value)


def test_of_equal_rows_the_first_wins() -> None:
    assert argmax(weighted_sums([[1, 2], [2, 1], [0, 3]], [1, 1])) == 0
    assert argmax(weighted_sums([[1, 2], [2, 1], [0, 3]], [0, 1])) == 2


@pytest.mark.parametrize(
    ("rows", "weights", "winner"),
    [
        ([[LARGEST, LARGEST], [-LARGEST, LARGEST]], [4, 3], 0),
        ([[LARGEST, -LARGEST], [1, 1]], [1e300, 1e300], 1),  # inf - inf
        ([[-1e300, 1e300], [1e300, -1e300]], [1e300, -1e300], 1),
        ([[1e308, 1], [1e308, 2]], [0, 1e308], 1),
        ([[1e-300, 0], [0, 1e-299]], [LARGEST, LARGEST], 1),
        ([[5e-324, 0], [0, 0]], [1, 0], 0),
    ],
)
def test_no_sum_is_too_large(rows: list[list[float]], weights: list[float], winner: int) -> None:
    scaled = Weights({"x": weights}).scaled()
    sums = weighted_sums(rows, scaled.values["x"])
    assert not any(map(math.isnan, sums))
    assert argmax(sums) == winner


def test_weights_that_add_up_to_1_stay_as_they_are() -> None:
    weights = Weights({"x": [0.5, -0.25], "y": [0.25]})
    assert weights.scaled() == weights
    assert Weights({"x": [2, -1], "y": [1]}).scaled().values == {
        "x": [0.125, -0.0625],
        "y": [0.0625],
    }


def test_short_rows_end_in_zeros() -> None:
    assert weighted_sums([[1, 2], [1]], [0.5, 0.25]) == [1, 0.5]
