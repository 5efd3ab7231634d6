"""Ways to choose among the entries of a segment, and warnings of lists that look wrong."""

from pathlib import Path

import pytest

from s2s_cli.errors import UserError
from s2s_cli.rescoring.rescorer import ListCounts, ScoredSegment
from s2s_cli.rescoring.weights import Weights
from s2s_cli.rescoring.winners import (
    Average,
    RowReader,
    Weighted,
    argmax,
    warn_of_list,
    winners,
)
from s2s_cli.text.nbest import Entry, parse_entry

LIST, FILE = Path("list"), Path("w.toml")


def entries(*fields: str) -> list[Entry]:
    """An entry for each of ``fields``: its features, and after a bar its total."""
    return [parse_entry(f"0 ||| a ||| {each}", LIST, 1 + at) for at, each in enumerate(fields)]


WITH_TOTALS = entries("x= 1 ||| -4", "x= 2 ||| -8")


def test_the_average_of_total_and_score_is_weighted() -> None:
    assert Average(0.5, LIST).values(WITH_TOTALS, [-2, -3]) == [-3.0, -5.5]
    assert Average(0.25, LIST).values(WITH_TOTALS, [-2, -3]) == [-3.5, -6.75]


def test_without_totals_the_score_is_alone() -> None:
    average = Average(0.25, LIST)
    assert average.has_totals is None
    assert average.values(entries("x= 1", "x= 2"), [-2, -3]) == [-2, -3]
    assert average.has_totals is False
    with pytest.raises(UserError, match=r"list:1: some hypotheses have a total, some none"):
        average.values(WITH_TOTALS, [-2, -3])


@pytest.mark.parametrize("fields", [("||| -4", ""), ("", "||| -4")])
def test_totals_in_some_entries_alone_are_refused(fields: tuple[str, str]) -> None:
    with pytest.raises(UserError, match=r"list:2: some hypotheses have a total, some none"):
        Average(0.5, LIST).values(entries(*fields), [-2, -3])


def test_a_row_ends_with_the_score_unless_the_list_has_it() -> None:
    added = RowReader(LIST, "s2s")
    assert added.rows(WITH_TOTALS, [-2, -3]) == [[-4, 1, -2], [-8, 2, -3]]
    assert added.layout == {"total": 1, "x": 1, "s2s": 1}
    assert RowReader(LIST, "s2s").rows(WITH_TOTALS[:1], [-2]) == [[-4, 1, -2]]
    stored = RowReader(LIST, "s2s")
    listed = entries("s2s= -9 x= 1 2", "s2s= -7 x= 3 4")
    assert stored.rows(listed, [0, 0]) == [[-9, 1, 2], [-7, 3, 4]]
    assert stored.layout == {"s2s": 1, "x": 2}
    with pytest.raises(UserError, match=r"list:1: x \(1\) among the features, but x \(2\) in"):
        stored.rows(entries("x= 1"), [0])


def test_features_are_weighted_and_those_without_weights_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    weighted = Weighted(Weights({"s2s": [0.5], "total": [0.25]}), FILE, RowReader(LIST, "s2s"))
    for _ in range(2):
        assert weighted.values(WITH_TOTALS, [-2, -3]) == [-2, -3.5]
    weighted.warn()
    assert capsys.readouterr().err.splitlines() == [
        "warning: w.toml: no weights for x (1): they count nothing"
    ]
    complete = Weighted(
        Weights({"total": [0.25], "x": [0.25], "s2s": [0.5]}), FILE, RowReader(LIST, "s2s")
    )
    assert complete.values(WITH_TOTALS, [-2, -3]) == [-1.75, -3]
    complete.warn()
    assert capsys.readouterr().err == ""


def test_the_winner_has_the_highest_value_of_its_segment() -> None:
    segments: list[ScoredSegment] = [(2, WITH_TOTALS, [0.0, 0.0]), (0, WITH_TOTALS, [-9.0, 4.0])]
    assert winners(segments, 3, Average(0.5, LIST)) == [WITH_TOTALS[1], None, WITH_TOTALS[0]]
    assert argmax([1.0, 3.0, 3.0, 2.0]) == 1


@pytest.mark.parametrize(
    ("unknown", "missing", "told"),
    [
        (10, [], []),
        (11, [], ["11% of its words are unknown"]),
        (0, [4], ["no hypotheses for 1 of the sources (ids 4): blank lines"]),
        (0, list(range(10)), ["(ids 0, 1, 2, 3, 4, 5, 6, 7, 8, 9): blank"]),
        (50, list(range(11)), ["11 of the sources (ids 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...)", "50%"]),
    ],
)
def test_a_list_that_looks_wrong_is_warned_of(
    unknown: int, missing: list[int], told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    warn_of_list(LIST, ListCounts(words=100, unknown=unknown), missing)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(told)
    assert all(each in line for each, line in zip(told, lines, strict=True))


def test_a_source_of_unknown_words_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    warn_of_list(LIST, ListCounts(source_words=100, source_unknown=60), [])
    assert capsys.readouterr().err.startswith("warning: 60% of the words of the source are unknown")


def test_nothing_is_said_of_a_list_that_was_not_scored(capsys: pytest.CaptureFixture[str]) -> None:
    warn_of_list(LIST, ListCounts(), [])
    assert capsys.readouterr().err == ""


def test_sums_by_weights_compare_whatever_features_come_up_late() -> None:
    """One power of two divides all of them, though the rows grow."""
    texts = ["x= 1", "x= 2", "x= 1 y= 1 z= 1 u= 1 v= 1"]
    entries = [
        parse_entry(f"0 ||| {n} ||| {features} s2s= 0 ||| 0", LIST, n)
        for n, features in enumerate(texts, 1)
    ]
    weights = Weights({"x": [4.0], "y": [0.5]}, sparse=frozenset("y"))
    runs = [(0, [entry], [0.0]) for entry in entries]
    choice = Weighted(weights, LIST, RowReader(LIST, "s2s"))
    assert winners(runs, 1, choice) == [entries[1]]
    values = [choice.values([entry], [0.0])[0] * choice.unit for entry in entries]
    assert values == [4, 8, 4.5]
    huge = Weighted(Weights({"x": [1e308] * 4}), LIST, RowReader(LIST, "s2s"))
    assert huge.unit == 2.0**1023
