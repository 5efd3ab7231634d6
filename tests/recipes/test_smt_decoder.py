"""The search and its lists: against every derivation of short sentences."""

import itertools
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from smt_modules import module

corpus = module("corpus")
features = module("features")
language_model = module("language_model")
nbest = module("nbest")
options = module("options")
search = module("search")
table_file = module("table_file")

WEIGHTS = [0.2, 0.1, 0.3, 0.15, 0.25, 0.1, 0.3, 0.5, -0.4, 0.2, 0.2, 0.1, 0.3, 0.15]
ALL = {"stack": 100_000, "pops": 1_000_000}  # nothing is pruned


def language() -> Any:
    chance = random.Random(4)
    text = [chance.choices("wxyz", k=chance.randint(1, 5)) for _ in range(40)]
    return language_model.LanguageModel(language_model.train(corpus.make_text(text), 3))


def table(seed: int, folder: Path) -> Any:
    """A table of random phrases: one word is unknown alone, one altogether."""
    chance = random.Random(seed)
    phrases, turns = [], []
    for source in ("a", "b", "c", "a b", "b c", "c d", "a b c"):
        targets = [" ".join(chance.choices("wxyzq", k=chance.randint(1, 2))) for _ in range(3)]
        for target in sorted(set(targets)):
            values = [" ".join(f"{chance.random():.4f}" for _ in range(k)) for k in (4, 6)]
            phrases.append(f"{source} ||| {target} ||| {values[0]} ||| 0-0 ||| 1 1 1\n")
            turns.append(f"{source} ||| {target} ||| {values[1]}\n")
    (folder / "phrases").write_text("".join(phrases))
    (folder / "turns").write_text("".join(turns))
    return table_file.TranslationTable(folder / "phrases", folder / "turns")


Step = tuple[int, int, Any]


def every_derivation(
    size: int, spans: Any, limit: int, done: tuple[Step, ...] = ()
) -> Iterator[tuple[Step, ...]]:
    """All segmentations in all orders that the distortion limit allows."""
    covered = {i for start, end, _ in done for i in range(start, end)}
    if len(covered) == size:
        yield done
        return
    last = done[-1][1] if done else 0
    gap = min(set(range(size)) - covered)
    for start, end in itertools.combinations(range(size + 1), 2):
        if covered & set(range(start, end)) or abs(start - last) > limit:
            continue
        if start != gap and end - gap > limit:  # no way back to the first free word
            continue
        for option in spans.get((start, end - 1), []):
            yield from every_derivation(size, spans, limit, (*done, (start, end, option)))


def described(derivation: tuple[Step, ...], model: Any) -> tuple[str, list[float], float]:
    """Text, features and score of a derivation, from the definitions."""
    text = " ".join(option.text for _, _, option in derivation)
    values = [0.0] * 14
    unknown, before = 0.0, None
    for step in derivation:
        start, end, option = step
        last = before[1] if before else 0
        turn = 0 if start == last else 1 if before and end == before[0] else 2
        values[turn] += option.backward[turn]
        if before:
            values[3 + turn] += before[2].forward[turn]
        values[6] -= abs(start - last)
        values[9] += 1
        for k in range(4):
            values[10 + k] += option.translation[k]
        unknown += option.unknown
        before = step
    values[7] = model.sentence(text.split())
    values[8] = -len(text.split())
    return text, values, sum(a * b for a, b in zip(WEIGHTS, values, strict=True)) + unknown


@pytest.mark.parametrize(("seed", "limit"), [(1, 6), (2, 2), (3, 1), (4, 0), (5, 3)])
def test_lists_are_the_best_of_every_derivation(seed: int, limit: int, tmp_path: Path) -> None:
    model, sentence = language(), ["b", "a", "b", "c", "d"] if seed % 2 else ["?", "a", "b", "c"]
    limits = search.Limits(distortion=limit, **ALL)
    decoder = search.Decoder(model, table(seed, tmp_path), WEIGHTS, limits)
    spans = decoder.maker.options(sentence)
    best: dict[str, tuple[list[float], float]] = {}
    for derivation in every_derivation(len(sentence), spans, limit):
        text, values, score = described(derivation, model)
        if text not in best or score > best[text][1]:
            best[text] = values, score
    scores = sorted((score for _, score in best.values()), reverse=True)
    found = nbest.nbest(decoder, sentence, len(best) + 1)
    assert len(found) == len(best) > 10
    assert [each.total for each in found] == pytest.approx(scores)
    for each in found:
        values, score = best[each.text]
        assert each.total == pytest.approx(score)
        assert features.weighted(WEIGHTS, each.features) == pytest.approx(
            score + 100 * sum(word in "d?" for word in each.text.split())
        )
    shorter = nbest.nbest(decoder, sentence, 7)
    assert [each.text for each in shorter] == [each.text for each in found[:7]]
    assert found[0].features == pytest.approx(best[found[0].text][0])


def test_a_narrow_search_finds_no_better_than_a_wide_one(tmp_path: Path) -> None:
    model, phrases, sentence = language(), table(6, tmp_path), list("abcabcd")
    totals = [
        nbest.nbest(search.Decoder(model, phrases, WEIGHTS, limits), sentence, 1)[0].total
        for limits in (search.Limits(stack=1, pops=2), search.Limits(stack=5, pops=20))
    ]
    whole = search.Decoder(model, phrases, WEIGHTS, search.Limits(**ALL))
    assert max(totals) <= nbest.nbest(whole, sentence, 1)[0].total + 1e-9


def test_future_costs_are_the_best_segmentation(tmp_path: Path) -> None:
    sentence = list("abcab")
    decoder = search.Decoder(language(), table(7, tmp_path), WEIGHTS, search.Limits())
    spans = decoder.maker.options(sentence)
    costs = options.FutureCosts(spans, 5)

    def best(start: int, end: int) -> float:
        if start == end:
            return 0.0
        first = (
            spans[start, middle - 1][0].estimate + best(middle, end)
            for middle in range(start + 1, end + 1)
            if (start, middle - 1) in spans
        )
        return max(first, default=-math.inf)

    assert costs.uncovered(0) == pytest.approx(best(0, 5))
    assert costs.uncovered(0b00100) == pytest.approx(best(0, 2) + best(3, 5))
    assert costs.uncovered(0b11111) == 0


def test_odd_sentences_have_a_list(tmp_path: Path) -> None:
    decoder = search.Decoder(language(), table(8, tmp_path), WEIGHTS, search.Limits())
    assert nbest.nbest(decoder, [], 10) == []
    text = nbest.nbest(decoder, ["|||", "<s>", "a", "</s>"], 1)[0].text.split()
    assert sorted(text)[:1] == ["</s>"]
    assert {"|||", "<s>", "</s>"} <= set(text)
    long = nbest.nbest(decoder, ["a", "b", "?"] * 20, 3)
    assert len(long) == 3
