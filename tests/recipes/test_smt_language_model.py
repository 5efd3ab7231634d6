"""The language model: against arithmetic from the definition, with dictionaries."""

import itertools
import math
import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from smt_modules import module

corpus = module("corpus")
language_model = module("language_model")

WORDS = "abcdefgh"


def random_text(seed: int, sentences: int) -> list[list[str]]:
    """Sentences in which some words, and some neighbours, are more frequent than others."""
    chance = random.Random(seed)
    weights = [1 / rank for rank in range(1, len(WORDS) + 1)]
    text = []
    for _ in range(sentences):
        words = chance.choices(WORDS, weights, k=chance.randint(1, 6))
        text.append(
            [b if chance.random() < 0.5 else a for a, b in zip(words, sorted(words), strict=True)]
        )
    return text


class Definition:
    """p(w | context) as Chen and Goodman (1998, 4.1.6) and KenLM define it, one by one."""

    def __init__(self, text: list[list[str]], order: int) -> None:
        grams: list[Counter[tuple[str, ...]]] = [Counter() for _ in range(order)]
        for sentence in text:
            words = ["<s>", *sentence, "</s>"]
            for n, start in itertools.product(range(1, order + 1), range(len(words))):
                if start + n <= len(words):
                    grams[n - 1][tuple(words[start : start + n])] += 1
        self.counts = [*({} for _ in range(order - 1)), dict(grams[-1])]
        for n in range(order - 1):
            before: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
            for gram in grams[n + 1]:
                before[gram[1:]].add(gram[0])
            self.counts[n] = {gram: len(kinds) for gram, kinds in before.items()}
            if n:
                begin = {gram: c for gram, c in grams[n].items() if gram[0] == "<s>"}
                self.counts[n] |= begin
        self.vocabulary = {word for (word,) in self.counts[0]}

    def discount(self, n: int, count: int) -> float:
        kinds = Counter(self.counts[n].values())
        if not all(kinds[c] for c in (1, 2, 3, 4)):
            return (0.5, 1.0, 1.5)[min(count, 3) - 1]
        y = kinds[1] / (kinds[1] + 2 * kinds[2])
        found = [c - (c + 1) * y * kinds[c + 1] / kinds[c] for c in (1, 2, 3)]
        if any(not 0 <= each <= c for c, each in enumerate(found, 1)):
            return (0.5, 1.0, 1.5)[min(count, 3) - 1]
        return found[min(count, 3) - 1]

    def probability(self, context: tuple[str, ...], word: str) -> float:
        n = len(context)
        after = {gram: c for gram, c in self.counts[n].items() if gram[:-1] == context}
        below = self.probability(context[1:], word) if n else 1 / (len(self.vocabulary) + 1)
        if not after:
            return below
        total = sum(after.values())
        count = after.get((*context, word), 0)
        kept = (count - self.discount(n, count)) / total if count else 0.0
        return kept + sum(self.discount(n, c) for c in after.values()) / total * below


@pytest.fixture(scope="module", params=[(1, 12), (2, 300)])
def models(request: Any) -> tuple[Any, Definition]:
    """Of a text too small for its discounts to be estimated, and of one that is not."""
    text = random_text(*request.param)
    trie = language_model.train(corpus.make_text(text), 4)
    return language_model.LanguageModel(trie), Definition(text, 4)


def probability(model: Any, context: tuple[str, ...], word: str) -> float:
    """The probability after the words of a sentence so far."""
    state = language_model.BEGIN
    for each in model.word_ids(context):
        state = model.step(state, each)[1]
    number = language_model.END if word == "</s>" else model.word_ids([word])[0]
    return math.exp(model.step(state, number)[0])


def contexts() -> list[tuple[str, ...]]:
    chance = random.Random(3)
    return [(), *(tuple(chance.choices(WORDS + "?", k=n)) for n in (1, 2, 3, 5) for _ in range(9))]


def test_probabilities_are_those_of_the_definition(models: tuple[Any, Definition]) -> None:
    model, definition = models
    for context in contexts():
        history = ("<s>", *context)[-3:]
        for word in [*definition.vocabulary, "unknown"]:
            expected = definition.probability(history, word)
            assert probability(model, context, word) == pytest.approx(expected, rel=1e-5)


def test_probabilities_of_a_context_sum_to_one(models: tuple[Any, Definition]) -> None:
    model, definition = models
    for context in contexts():
        words = [*definition.vocabulary, "unknown"]
        total = sum(probability(model, context, word) for word in words)
        assert total == pytest.approx(1, abs=1e-5)


def test_the_states_forget_nothing_that_counts(models: tuple[Any, Definition]) -> None:
    model, _ = models
    for one, other in itertools.combinations(contexts(), 2):
        states = [
            model.phrase(language_model.BEGIN, model.word_ids(each))[1] for each in (one, other)
        ]
        if states[0] == states[1]:
            for word in WORDS:
                assert probability(model, one, word) == pytest.approx(
                    probability(model, other, word)
                )


def test_discounts_from_counts_of_counts() -> None:
    # 8 n-grams occur once, 4 twice, 2 three times, 1 four times: Y = 8 / (8 + 2 * 4) = 1/2
    counts = np.array([1] * 8 + [2] * 4 + [3] * 2 + [4] + [9])
    found = language_model.discounts(counts)
    assert found == pytest.approx([0, 1 - 2 / 2 * 4 / 8, 2 - 3 / 2 * 2 / 4, 3 - 4 / 2 * 1 / 2])


def test_words_that_look_like_edges_are_unknown() -> None:
    trie = language_model.train(corpus.make_text([["a", "b"]]), 2)
    model = language_model.LanguageModel(trie)
    assert model.word_ids(["<s>", "</s>", "<unk>", "a"]) == (0, 0, 0, 3)


def test_a_model_is_read_as_it_was_written(tmp_path: Path) -> None:
    trie = language_model.train(corpus.make_text(random_text(5, 30)), 3)
    language_model.save(trie, tmp_path / "lm.npz")
    read = language_model.load(tmp_path / "lm.npz")
    assert (read.order, read.vocabulary) == (trie.order, trie.vocabulary)
    for name in language_model.ARRAYS:
        assert np.array_equal(getattr(read, name), getattr(trie, name))
