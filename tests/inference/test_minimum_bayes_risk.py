"""Minimum Bayes risk: expected BLEU by products of matrices is that of sacreBLEU, pair by pair."""

import math
import random
from typing import Any

import pytest
import torch
from sacrebleu.metrics.bleu import BLEU

from s2s_cli.inference import minimum_bayes_risk
from s2s_cli.inference.minimum_bayes_risk import (
    Posterior,
    expected_bleu,
    sentence_bleus,
    text_words,
)

METRIC: Any = BLEU(tokenize="none", effective_order=True)  # as `sacrebleu.sentence_bleu`


def sacrebleu_score(text: str, reference: str) -> float:
    return float(METRIC.sentence_score(text, [reference]).score)


def brute_force(hypotheses: list[tuple[str, float]], scale: float) -> dict[str, float]:
    """The expected BLEU of each text, the best first: every entry with every entry."""
    weights = torch.tensor([score for _, score in hypotheses], dtype=torch.float64)
    shares = (scale * weights).softmax(0).tolist()
    return {
        text: sum(
            share * sacrebleu_score(text, other)
            for (other, _), share in zip(hypotheses, shares, strict=True)
        )
        for text, _ in hypotheses
    }


def risk_of(hypotheses: list[tuple[str, float]], scale: float) -> dict[str, float]:
    posterior = Posterior(scale)
    for text, score in hypotheses:
        posterior.add(text, score)
    return expected_bleu(posterior)


def random_texts(rng: random.Random, count: int, longest: int) -> list[str]:
    words = rng.choice(["a b", "a b c d e", "a b c d e f g h i j k l"]).split()
    return [" ".join(rng.choices(words, k=rng.randint(0, longest))) for _ in range(count)]


def test_each_pair_has_the_sentence_bleu_of_sacrebleu(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(1)
    for trial in range(24):
        # Few rows and columns together: the blocks of longer lists.
        monkeypatch.setattr(minimum_bayes_risk, "PAIR_ROWS", rng.choice([1, 3, 128]))
        monkeypatch.setattr(minimum_bayes_risk, "MOST_COLUMNS", rng.choice([2, 5, 4096]))
        texts = list(dict.fromkeys(random_texts(rng, rng.randint(1, 9), 12 if trial % 2 else 4)))
        found = torch.cat(list(sentence_bleus(list(map(text_words, texts))))).tolist()
        expected = [[sacrebleu_score(text, other) for other in texts] for text in texts]
        for row, values in zip(found, expected, strict=True):
            assert row == pytest.approx(values, abs=1e-10)


@pytest.mark.parametrize("scale", [0.0, 0.3, 1.0, 5.0])
def test_the_expectation_is_that_of_every_entry(scale: float) -> None:
    rng = random.Random(round(10 * scale))
    for _ in range(8):
        texts = random_texts(rng, rng.randint(1, 10), 7)
        hypotheses = [(text, rng.uniform(-9, 0)) for text in texts]
        found, expected = risk_of(hypotheses, scale), brute_force(hypotheses, scale)
        assert found == pytest.approx(expected, abs=1e-6)
        assert list(found.values()) == sorted(found.values(), reverse=True)


def test_what_most_agree_with_wins_over_the_most_probable() -> None:
    hypotheses = [("un chien noir", -1.0), ("le chat dort ici", -1.1), ("le chat dort là", -1.2)]
    hypotheses.append(("le chat dort", -1.3))
    assert next(iter(risk_of(hypotheses, 1))) == "le chat dort"
    assert next(iter(risk_of(hypotheses, 100))) == "un chien noir"


def test_equal_texts_add_their_probabilities() -> None:
    apart = [("a b", math.log(0.3)), ("c d", math.log(0.4)), ("a b", math.log(0.3))]
    posterior = Posterior(1)
    for text, score in apart:
        posterior.add(text, score)
    texts, shares = posterior.texts()
    assert texts == ["a b", "c d"] and shares.tolist() == pytest.approx([0.6, 0.4])
    assert next(iter(risk_of(apart, 1))) == "a b"


@pytest.mark.parametrize(
    ("scores", "winner"),
    [
        ([-1e5, -1e5 - 1, -1e5 - 2], "a b"),  # exp of each is 0
        ([1e308, 1.7e308, -1e308], "c d"),  # the scale makes them infinite
        ([-math.inf, -3, -math.inf], "c d"),
        ([-math.inf, -math.inf, -math.inf], "a b"),
        ([math.nan, -1e300, -1e300], "c d"),
        ([-1.7e308, 1.7e308, 0], "c d"),  # their difference is infinite
    ],
)
def test_scores_of_any_size(scores: list[float], winner: str) -> None:
    texts = ["a b", "c d", "e f"]
    found = risk_of(list(zip(texts, scores, strict=True)), 10)
    assert next(iter(found)) == winner
    assert all(map(math.isfinite, found.values()))


def test_one_hypothesis_and_empty_ones() -> None:
    assert list(risk_of([("a", -1)], 1)) == ["a"]
    assert list(risk_of([("", -1)], 1)) == [""]
    assert list(risk_of([("", -1), ("a", -2)], 1)) == ["a", ""]
    assert next(iter(risk_of([("x", -1), ("y", -1), ("z", -2)], 1))) == "x", (
        "of equal ones the first"
    )


def test_of_too_many_texts_the_most_probable_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minimum_bayes_risk, "MOST_COMPARED", 3)
    rng = random.Random(2)
    for scale in (0.0, 0.5):
        posterior = Posterior(scale)
        hypotheses = [(f"a {rng.randrange(30)}", rng.uniform(-3, 0)) for _ in range(60)]
        for text, score in hypotheses:
            posterior.add(text, score)
            assert len(posterior._shares) <= 6
        texts, shares = posterior.texts()
        assert len(texts) == 3 and posterior.omitted > 0
        assert float(shares.sum()) == pytest.approx(1)
    best = max(hypotheses, key=lambda each: each[1])[0]
    assert best in texts
