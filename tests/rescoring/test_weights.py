"""The file of weights: written, read back, checked against a list."""

import tomllib
from pathlib import Path

import pytest

from s2s_cli.errors import UserError
from s2s_cli.rescoring.weights import Weights, weighted_sums
from s2s_cli.rescoring.winners import argmax

LAYOUT = {"total": 1, "TM 0": 2, "s2s": 1}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "weights.toml"
    weights = Weights.of_row(LAYOUT, [0.1, 1 / 3, -2e-7, 1])
    Weights(weights.values, {"tuned": {"list": 'a"b', "seed": 1}}).write(path)
    assert Weights.read(path).values == weights.values
    assert tomllib.loads(path.read_text("utf-8"))["tuned"] == {"list": 'a"b', "seed": 1}
    assert weights.row(LAYOUT, path) == pytest.approx([0.1, 1 / 3, -2e-7, 1], rel=1e-8)


def test_a_person_may_leave_features_out(tmp_path: Path) -> None:
    path = tmp_path / "weights.toml"
    path.write_text("[weights]\ntotal = 1\ns2s = [0.5]\n", "utf-8")
    assert Weights.read(path).row(LAYOUT, path) == [1, 0, 0, 0.5]


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
