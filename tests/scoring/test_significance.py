"""Significance of differences against brute force over texts, scored whole by sacreBLEU."""

import random
from collections.abc import Iterator
from itertools import product
from math import sqrt
from statistics import fmean

import numpy as np
import pytest

from s2s_cli.errors import UsageError
from s2s_cli.scoring.metrics import TEXT_METRICS, TextMetric, corpus_score
from s2s_cli.scoring.significance import Comparison, Sizes, compare_forms
from s2s_cli.scoring.texts import AS_GIVEN, Form, check_bootstrap

Lines = list[str]
RIGHT, WRONG = "le chat noir dort sur le lit", "le chat noir dort sur le sol"


def compare(form: Form, baseline: Lines, sizes: Sizes) -> Comparison:
    return compare_forms("bleu-tokenised", form, baseline, sizes)


def sentences(seed: int, count: int, longest: int) -> Lines:
    draw = random.Random(seed)
    return [
        " ".join(draw.choice("abcd") for _ in range(draw.randint(0, longest))) for _ in range(count)
    ]


def score(metric: TextMetric, lines: Lines, references: list[Lines]) -> float:
    return corpus_score(metric, Form(lines, references, AS_GIVEN)).value


def exact_p(metric: TextMetric, output: Lines, baseline: Lines, references: list[Lines]) -> float:
    """Exchange lines in every way."""
    both = score(metric, output, references) - score(metric, baseline, references)
    hits = []
    for ways in product([False, True], repeat=len(output)):
        pairs = zip(output, baseline, ways, strict=True)
        one, other = zip(*((b, a) if way else (a, b) for a, b, way in pairs), strict=True)
        apart = score(metric, list(one), references) - score(metric, list(other), references)
        hits.append(abs(apart) >= abs(both) - 1e-9)
    return fmean(hits)


def bootstrap_p(
    metric: TextMetric, output: Lines, baseline: Lines, references: list[Lines], resamples: int
) -> float:
    """Figure 2 of Riezler and Maxwell (2005), over the lines that sacreBLEU draws."""
    both = abs(score(metric, output, references) - score(metric, baseline, references))
    draws = np.random.default_rng(12345).choice(len(output), size=(resamples, len(output)))
    apart = []
    for lines in draws:
        texts = [[text[line] for line in lines] for text in (output, baseline, *references)]
        one, other, *chosen = texts
        apart.append(abs(score(metric, one, chosen) - score(metric, other, chosen)))
    mean = fmean(apart)
    hits = sum(each - mean >= both - 1e-9 for each in apart)
    return (hits + 1) / (resamples + 1)


def cases() -> Iterator[tuple[Lines, Lines, list[Lines]]]:
    """Six lines with repeated words, so that statistics tie, and one or two references."""
    for seed, references in ((1, 1), (2, 2), (3, 1)):
        first, *others = (sentences(10 * seed + each, 6, 9) for each in range(references))
        draw = random.Random(seed)
        output, baseline = (
            [line if draw.random() < good else line[2:] + " d a" for line in first]
            for good in (0.8, 0.2)
        )
        yield output, baseline, [first, *others]


@pytest.mark.parametrize("metric", TEXT_METRICS)
def test_randomisation_of_few_lines_exchanges_them_in_every_way(metric: TextMetric) -> None:
    found = []
    for output, baseline, references in cases():
        form = Form(output, references, AS_GIVEN)
        tested = compare_forms(metric, form, baseline, Sizes(100, 64))
        assert tested.exact and tested.trials == 2**tested.differing_lines <= 64
        expected = exact_p(metric, output, baseline, references)
        assert tested.randomisation_p == pytest.approx(expected, abs=1e-12)
        found.append(expected)
    assert len(set(found)) > 1


@pytest.mark.parametrize("metric", TEXT_METRICS)
def test_the_bootstrap_is_that_of_riezler_and_maxwell(metric: TextMetric) -> None:
    for output, baseline, references in cases():
        form = Form(output, references, AS_GIVEN)
        tested = compare_forms(metric, form, baseline, Sizes(40, 100))
        expected = bootstrap_p(metric, output, baseline, references, 40)
        if tested.difference:
            assert tested.bootstrap_p == pytest.approx(max(expected, 2**-5), abs=1e-12)


@pytest.mark.parametrize(("better", "worse", "p"), [(7, 1, 18 / 256), (5, 1, 14 / 64), (2, 1, 1)])
def test_equal_effects_are_those_of_the_sign_test(better: int, worse: int, p: float) -> None:
    """Of all ways to give signs to effects of one size, so many are at least as one-sided."""
    output = [RIGHT] * better + [WRONG] * worse + [RIGHT] * 12
    baseline = [WRONG] * better + [RIGHT] * (worse + 12)
    form = Form(output, [[RIGHT] * len(output)], AS_GIVEN)
    for metric in TEXT_METRICS:
        tested = compare_forms(metric, form, baseline, Sizes(100, 10_000))
        assert tested.randomisation_p == pytest.approx(p)
        assert (tested.trials, tested.exact) == (2 ** (better + worse), True)
        assert {"ar:exact", f"differ:{better + worse}", "ties:counted"} <= set(
            tested.score.signature.split("|")
        )


def test_a_sample_of_exchanges_comes_near_all_of_them() -> None:
    """Nine better and one worse, which tie with each other: 22 of 1024, by the sign test."""
    output, baseline = [RIGHT] * 9 + [WRONG], [WRONG] * 9 + [RIGHT]
    form = Form(output, [[RIGHT] * 10], AS_GIVEN)
    exact, sampled = (compare(form, baseline, Sizes(100, trials)) for trials in (1024, 1023))
    assert (exact.exact, sampled.exact) == (True, False)
    p = exact.randomisation_p
    assert p == pytest.approx(22 / 1024)
    assert sampled.randomisation_p == pytest.approx(p, abs=4 * sqrt(p / 1023))
    assert "ar:1023" in sampled.score.signature.split("|")
    assert sampled == compare(form, baseline, Sizes(100, 1023)), "seeded"


@pytest.mark.parametrize("lines", [[RIGHT], [""], ["", ""], [RIGHT] * 30])
def test_an_output_is_no_better_than_itself(lines: Lines) -> None:
    for metric in TEXT_METRICS:
        itself = compare_forms(metric, Form(lines, [lines], AS_GIVEN), lines, Sizes(100, 100))
        assert (itself.difference, itself.bootstrap_p, itself.randomisation_p) == (0, 1, 1)
        assert itself.differing_lines == 0


def test_one_line_is_no_evidence() -> None:
    for metric in TEXT_METRICS:
        one = compare_forms(metric, Form([RIGHT], [[RIGHT]], AS_GIVEN), [WRONG], Sizes(100, 100))
        assert one.difference > 0
        assert (one.bootstrap_p, one.randomisation_p) == (1, 1)


def test_a_difference_by_chance_is_told_from_one_that_is_not() -> None:
    references = [f"{each} x y z w v" for each in sentences(3, 60, 8)]
    worse = [line.replace("y", "q") if n % 2 else line for n, line in enumerate(references)]
    form = Form(references, [references], AS_GIVEN)
    for metric in TEXT_METRICS:
        clear = compare_forms(metric, form, worse, Sizes(100, 1000))
        assert clear.difference > 1
        assert clear.bootstrap_p < 0.05 and clear.randomisation_p < 0.05
        assert clear.baseline.low is not None and clear.baseline.high is not None
        assert clear.baseline.low < clear.baseline.value < clear.baseline.high
        assert {"bs:100", "ar:1000", "seed:12345", "ties:counted"} <= set(
            clear.score.signature.split("|")
        )
    pairs = list(zip(references, worse, strict=True))
    half = [pair[n % 4 > 1] for n, pair in enumerate(pairs)]
    other = [pair[n % 4 < 2] for n, pair in enumerate(pairs)]
    chance = compare(Form(half, [references], AS_GIVEN), other, Sizes(100, 1000))
    assert chance.bootstrap_p > 0.1 and chance.randomisation_p > 0.1


def test_outputs_that_differ_but_score_alike_are_no_better_than_each_other() -> None:
    references = ["a b c d e", "f g h i j"]
    form = Form(["a b c d x", "f g h i j"], [references], AS_GIVEN)
    alike = compare(form, ["a b c d y", "f g h i j"], Sizes(100, 100))
    assert (alike.difference, alike.bootstrap_p, alike.randomisation_p) == (0, 1, 1)


def test_few_lines_that_differ_are_not_significant() -> None:
    """One exchange cannot tell from chance; of two, half the ways are as far apart."""
    references = [f"a b c {n} d e f" for n in range(40)]
    for differing, least in ((1, 1.0), (2, 0.5)):
        worse = [f"x b y {n} d z f" for n in range(differing)] + references[differing:]
        found = compare(Form(references, [references], AS_GIVEN), worse, Sizes(100, 1000))
        assert found.difference > 0
        assert found.randomisation_p == pytest.approx(least)


def test_a_sample_of_exchanges_gives_no_less_than_all_can() -> None:
    """Seven lines better: of 128 exchanges two are as far apart, and a hundred may have none."""
    form = Form([RIGHT] * 7, [[RIGHT] * 7], AS_GIVEN)
    found = [compare(form, [WRONG] * 7, Sizes(100, trials)) for trials in (128, 127, 100)]
    assert found[0].randomisation_p == 2 / 128
    assert all(each.randomisation_p >= 2 / 128 for each in found[1:])


def test_a_seed_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in ("none", "None", "7", "0"):
        monkeypatch.setenv("SACREBLEU_SEED", seed)
        check_bootstrap(1000)
        assert compare(Form([RIGHT], [[RIGHT]], AS_GIVEN), [WRONG], Sizes(100, 100)).exact
    for seed in ("abc", "-1", "", "\u0663"):
        monkeypatch.setenv("SACREBLEU_SEED", seed)
        with pytest.raises(UsageError, match=r"SACREBLEU_SEED=.* whole number"):
            check_bootstrap(1000)
