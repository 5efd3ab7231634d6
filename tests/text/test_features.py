"""Features of lists in the layouts of Moses and its kin, as rows."""

from pathlib import Path

import pytest

from s2s_cli.errors import UserError
from s2s_cli.text.features import (
    FeatureReader,
    describe_names,
    describe_value,
    entry_features,
    feature_value,
    has_feature,
)
from s2s_cli.text.nbest import Entry, parse_entry

LIST = Path("list")


def entry(features: str, total: str = "-1", number: int = 1) -> Entry:
    return parse_entry(f"0 ||| un deux ||| {features} ||| {total}", LIST, number)


@pytest.mark.parametrize(
    "features",
    [
        "LM0= -4.5 TM0= 1 2e-3 ",
        "LM0: -4.5 TM0: 1 .002",
        "LM0=-4.5 TM0=1 0.002",
        " LM0= -4.5 TM0= 1 TM0= 0.002",
    ],
)
def test_values_are_read_in_every_layout(features: str) -> None:
    made = entry(features)
    assert entry_features(made) == {"LM0": [-4.5], "TM0": [1, 0.002]}
    reader = FeatureReader(LIST, made)
    assert reader.layout == {"total": 1, "LM0": 1, "TM0": 2}
    assert reader.row(made) == [-1, -4.5, 1, 0.002]
    # Another manner of writing the same features is no other list.
    assert reader.row(entry("LM0= 7 TM0= 8 9", "3")) == [3, 7, 8, 9]
    assert reader.lacking == {}
    assert has_feature(made, "LM0") and not has_feature(made, "LM")
    assert feature_value(made, "LM0", LIST) == -4.5


def test_without_labels_without_totals_without_features() -> None:
    assert FeatureReader(LIST, entry("1 2")).layout == {"total": 1, "unlabelled": 2}
    assert FeatureReader(LIST, entry("LM0= 1", "")).row(entry("LM0= 2", "")) == [2]
    assert FeatureReader(LIST, parse_entry("0 ||| un", LIST, 1)).layout == {}


@pytest.mark.parametrize(
    ("features", "total", "told"),
    [
        ("LM0= 1 TM0= 1", "-1", "TM0 (1) among the features, but TM0 (2) in line 1"),
        ("LM0= 1 TM0= 1 2 3", "-1", "TM0 (3)"),
        ("LM0= TM0= 1 2", "-1", "LM0 (0)"),
        ("LM0= 1 TM0= 1 2", "", "no total, but there is one in line 1"),
        ("s2s= 1", "-1", "'s2s', which is what the model's score is called"),
        ("LM0= x TM0= 1 2", "-1", "'x'"),
        ("LM0= nan TM0= 1 2", "-1", "nan"),
        ("LM0= 1e999 TM0= 1 2", "-1", "1e999"),
        ("LM0= 1 TM0= 1 2 total= 3", "-1", "'total'"),
    ],
)
def test_an_entry_with_other_features_is_named(features: str, total: str, told: str) -> None:
    reader = FeatureReader(LIST, entry("LM0= 1 TM0= 2 3"), "s2s")
    with pytest.raises(UserError) as error:
        reader.row(entry(features, total, number=8))
    assert str(error.value).startswith("list:8: ")
    assert told in str(error.value)


def test_features_that_an_entry_lacks_are_0() -> None:
    """As Moses has them: sparse ones behind the dense ones, only where they are not 0."""
    lines = ["LM0= 1 TM0= 2 3", "LM0= 4 TM0= 5 6 wt_a~b= 1", "TM0= 7 8 wt_a~b= 2 wt_==2", "LM0= 9"]
    entries = [entry(line, number=number) for number, line in enumerate(lines, 3)]
    reader = FeatureReader(LIST, entries[0], "s2s")
    rows = [reader.row(each, score) for score, each in enumerate(entries)]
    assert rows == [
        [-1, 1, 2, 3, 0],
        [-1, 4, 5, 6, 1, 1],
        [-1, 0, 7, 8, 2, 2, 2],
        [-1, 9, 0, 0, 3, 0, 0],
    ]
    names = ["total", "LM0", "TM0", "s2s", "wt_a~b", "wt_="]
    assert reader.layout == dict(zip(names, [1, 1, 2, 1, 1, 1], strict=True))
    assert reader.lacking == {"wt_a~b": 3, "wt_=": 3, "LM0": 5, "TM0": 6}
    assert describe_value(reader.layout, 3) == "TM0 (value 2)"
    assert describe_value(reader.layout, 4) == "s2s"
    with pytest.raises(UserError, match=r"list:9: wt_a~b \(2\) .*, but wt_a~b \(1\) in line 4"):
        reader.row(entry("wt_a~b= 1 2", number=9), 0.0)


def test_long_lists_of_names_are_cut() -> None:
    assert describe_names(["a", "b"]) == "a, b"
    assert describe_names([*"abcdef"], 4) == "a, b, c, d and 2 more"


def test_a_kept_score_is_one_value() -> None:
    for features in ("LM0= 1", "s2s= 1 2", "s2s= x"):
        with pytest.raises(UserError, match="list:1"):
            feature_value(entry(features), "s2s", LIST)
