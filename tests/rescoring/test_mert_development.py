"""The development list: what is tuned on, and its winners without weights."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from torch import Tensor

from s2s_cli.rescoring import mert_development
from s2s_cli.rescoring.config import MertConfig
from s2s_cli.rescoring.mert import Candidates
from s2s_cli.rescoring.mert_development import DevelopmentList, merge_runs
from s2s_cli.rescoring.rescorer import ScoredSegment
from s2s_cli.rescoring.winners import RowReader
from s2s_cli.scoring.statistics import References, corpus_bleu
from s2s_cli.text.nbest import parse_entry

LIST = Path("list")
REFERENCE = "le chat noir dort ici"
COUNTED = References([REFERENCE])
# The total prefers the first, the model the second, their average the third, and x the fourth.
ROWS = [
    ("le chien dort mal ici", 0, -1.0, -9.0),
    ("un chat noir là", 0, -9.0, -1.0),
    ("le chat dort  ici", 0, -2.0, -2.0),
    (REFERENCE, 1, -5.0, -5.0),
]


def segment(index: int, rows: Sequence[tuple[str, int, float, float]], total: str) -> ScoredSegment:
    entries = [
        parse_entry(f"{index} ||| {text} ||| x= {x}{total.format(listed)}", LIST, number)
        for number, (text, x, listed, _) in enumerate(rows, 1)
    ]
    return index, entries, [score for _, _, _, score in rows]


def development(*segments: ScoredSegment, sources: int = 2) -> DevelopmentList:
    made = DevelopmentList(
        sources, lambda index, text: COUNTED.statistics(text), RowReader(LIST, "s2s")
    )
    made.fill(segments)
    return made


def test_winners_without_weights_are_those_of_the_list_and_of_the_even_average() -> None:
    made = development(segment(1, ROWS, " ||| {}"))
    assert made.listed == ["", "le chien dort mal ici"]
    assert made.averaged == ["", "le chat dort ici"]
    assert made.entries == 4
    assert made.layout == {"total": 1, "x": 1, "s2s": 1}
    assert [made.winners(row) for row in ([1, 0, 0], [0, 0, 1], [0, 1, 0])] == [
        ["", "le chien dort mal ici"],
        ["", "un chat noir là"],
        ["", REFERENCE],
    ]


def test_without_totals_the_first_is_the_lists_own_and_the_model_the_average() -> None:
    made = development(segment(0, ROWS, ""))
    assert made.listed == ["le chien dort mal ici", ""]
    assert made.averaged == ["un chat noir là", ""]
    assert made.layout == {"x": 1, "s2s": 1}


def test_of_entries_with_the_same_values_the_first_is_kept() -> None:
    rows = [ROWS[0], ("other words", *ROWS[0][1:]), ROWS[1]]
    made = development(segment(0, rows, " ||| {}"))
    assert made.entries == 3
    assert made.texts == [["le chien dort mal ici", "un chat noir là"], [""]]
    assert made.counts[0].tolist() == [list(COUNTED.statistics(text)) for text in made.texts[0]]
    assert made.counts[1].tolist() == [list(COUNTED.statistics(""))]
    values = made.rows[0]
    assert values is not None and values.tolist() == [[-1, 0, -9], [-9, 0, -1]]
    assert made.rows[1] is None


@pytest.mark.parametrize("total", [" ||| {}", ""])
def test_tuned_weights_choose_what_has_the_highest_bleu(total: str) -> None:
    made = development(segment(0, ROWS, total), segment(1, ROWS[::-1], total))
    weights = made.tuned(MertConfig(restarts=2, seed=1))
    assert list(weights.values) == list(made.layout)
    assert made.winners(weights.row(made.layout, LIST)) == [REFERENCE] * 2
    assert made.tuned(MertConfig(restarts=2, seed=1)) == weights


def test_a_source_without_hypotheses_is_a_blank_line_of_bleu() -> None:
    made = development(segment(1, ROWS, " ||| {}"), sources=3)
    weights = made.tuned(MertConfig(restarts=0))
    texts = made.winners(weights.row(made.layout, LIST))
    assert texts == ["", REFERENCE, ""]
    total = [sum(column) for column in zip(*map(COUNTED.statistics, texts), strict=True)]
    assert 0 < corpus_bleu(total) < 100


def test_the_runs_of_a_long_segment_are_one() -> None:
    one, other = segment(0, ROWS, ""), segment(1, ROWS[:1], "")
    runs = [(0, one[1][:3], one[2][:3]), (0, one[1][3:], one[2][3:]), other]
    assert list(merge_runs(runs)) == [one, other]


@pytest.mark.parametrize(
    ("total", "starts"), [(" ||| {}", [[1, 0, 0], [0.5, 0, 0.5]]), ("", [[0, 1]])]
)
def test_the_search_begins_at_the_total_and_the_even_average(
    total: str, starts: list[list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[list[float]] = []

    def maximise(_: Candidates, given: list[Tensor], config: MertConfig) -> tuple[Tensor, float]:
        begun.extend(each.tolist() for each in given)
        return given[0] * 2, 1.0

    monkeypatch.setattr(mert_development, "maximise_bleu", maximise)
    made = development(segment(0, ROWS[:1], total))
    weights = made.tuned(MertConfig())
    assert begun == starts
    assert weights.row(made.layout, LIST) == [2 * each for each in starts[0]]
