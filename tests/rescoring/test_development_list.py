"""The development list: what is tuned on, and its winners without weights."""

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import get_args

import pytest

from s2s_cli.errors import UserError
from s2s_cli.rescoring import development_list
from s2s_cli.rescoring.config import Tuner, TunerConfig
from s2s_cli.rescoring.development_list import DevelopmentList, merge_runs
from s2s_cli.rescoring.rescorer import ScoredSegment
from s2s_cli.rescoring.winners import RowReader, Weighted, winners
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


@pytest.mark.parametrize("tuner", get_args(Tuner))
@pytest.mark.parametrize("total", [" ||| {}", ""])
def test_tuned_weights_choose_what_has_the_highest_bleu(total: str, tuner: Tuner) -> None:
    made = development(segment(0, ROWS, total), segment(1, ROWS[::-1], total))
    config = TunerConfig(tuner, restarts=2, seed=1)
    weights = made.tuned(config).weights
    assert list(weights.values) == list(made.layout)
    assert made.winners(weights.row(made.layout, LIST)) == [REFERENCE] * 2
    assert made.tuned(config).weights == weights


def test_a_source_without_hypotheses_is_a_blank_line_of_bleu() -> None:
    made = development(segment(1, ROWS, " ||| {}"), sources=3)
    weights = made.tuned(TunerConfig(restarts=0)).weights
    texts = made.winners(weights.row(made.layout, LIST))
    assert texts == ["", REFERENCE, ""]
    total = [sum(column) for column in zip(*map(COUNTED.statistics, texts), strict=True)]
    assert 0 < corpus_bleu(total) < 100


def test_the_runs_of_a_long_segment_are_one() -> None:
    one, other = segment(0, ROWS, ""), segment(1, ROWS[:1], "")
    runs = [(0, one[1][:3], one[2][:3]), (0, one[1][3:], one[2][3:]), other]
    assert list(merge_runs(runs)) == [one, other]


def test_what_the_list_says_nothing_about_is_named_and_has_no_weight() -> None:
    rows = [(text, 4, total, score) for text, _, total, score in ROWS]
    tuned = development(segment(0, rows, " ||| {}")).tuned(TunerConfig(restarts=1))
    assert tuned.silent == ["x"]
    assert tuned.weights.values["x"] == [0]
    assert development(segment(0, ROWS, " ||| {}")).tuned(TunerConfig(restarts=1)).silent == []


def test_lists_too_large_for_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(development_list, "MOST_VALUES", 11)
    with pytest.raises(UserError, match="list:4: 4 hypotheses with 3 values each are more than"):
        development(segment(0, ROWS, " ||| {}"))


LARGEST = sys.float_info.max
# Kinds of features, drawn for a segment and a hypothesis; `same` is drawn once for the segment.
KINDS: dict[str, Callable[[Random, float], float]] = {
    "plain": lambda draw, same: draw.gauss(0, 1),
    "constant": lambda draw, same: 0.1,
    "segment": lambda draw, same: same,
    "rounding": lambda draw, same: sum(draw.sample([same, 0.1, 0.2, 0.3], 4)),
    "squares": lambda draw, same: draw.choice([-1, 1]) * draw.uniform(1, 9) * 1e155,
    "largest": lambda draw, same: draw.choice([-1, 1, draw.random()]) * LARGEST,
    "tiny": lambda draw, same: draw.gauss(0, 1e-310),
    "log-zero": lambda draw, same: draw.choice([-1e10, -99, -1e30, -LARGEST, same, draw.random()]),
    "sparse": lambda draw, same: float(draw.random() < 0.1),
}


def generated(seed: int) -> Iterator[ScoredSegment]:
    """A small list with three kinds of features, a copy of one of them, and totals or none."""
    draw = Random(seed)
    kinds = [*draw.sample(sorted(KINDS), 3), draw.choice(["plain", draw.choice(sorted(KINDS))])]
    total = draw.choice([None, *KINDS])
    for index in range(3):
        same, entries, scores = draw.gauss(0, 5), [], []
        for number in range(1, draw.randint(1, 5) + 1):
            words = [word if draw.random() < 0.8 else "x" for word in REFERENCE.split()]
            features = [KINDS[kind](draw, same) for kind in kinds]
            features.append(features[0] * draw.choice([1, 0.5]))
            labelled = " ".join(f"F{n}= {each!r}" for n, each in enumerate(features))
            line = f"{index} ||| {' '.join(words)} ||| {labelled} |||"
            line += f" {KINDS[total](draw, same)!r}" if total else ""
            entries.append(parse_entry(line, LIST, number))
            scores.append(draw.gauss(-5, 1))
        if draw.random() < 0.9:
            yield index, entries, scores


@pytest.mark.parametrize("tuner", get_args(Tuner))
def test_tuned_weights_are_never_below_the_list_and_the_even_average(
    tuner: Tuner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s2s_cli.rescoring.mira.EPOCHS", 2)
    monkeypatch.setattr("s2s_cli.rescoring.mert.RANDOM_DIRECTIONS", 1)
    better = 0
    for seed in range(40):
        segments = [*generated(seed)]
        made = development(*segments, sources=3)
        if not segments:
            continue
        tuned = made.tuned(TunerConfig(tuner, restarts=0, seed=seed))
        row = tuned.weights.row(made.layout, LIST)
        assert all(map(math.isfinite, row)) and len(row) == sum(made.layout.values())
        # Ranked as `rescore --weights` ranks, from the entries themselves
        choice = Weighted(tuned.weights, LIST, RowReader(LIST, "s2s"))
        best = winners(segments, 3, choice)
        found = bleu_of([" ".join(each.words) if each else "" for each in best])
        least = max(bleu_of(made.listed), bleu_of(made.averaged))
        assert found >= least - 1e-9, f"seed {seed}"
        better += found > least + 1
    assert better > 8


def bleu_of(texts: Sequence[str]) -> float:
    counts = map(COUNTED.statistics, texts)
    return corpus_bleu([sum(column) for column in zip(*counts, strict=True)])
