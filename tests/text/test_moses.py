"""Tokenising by pieces equals sacremoses line by line, on real text and the worst of mixtures."""

import random
from collections.abc import Iterable
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from s2s_cli.text import moses as module
from s2s_cli.text.cleaning import FIRST_CLEANING
from s2s_cli.text.moses import BlockTokeniser, Moses

LANGUAGES = ["en", "fr", "de", "cs", "it", "fi", "zh", "ko", "ru", "ca", "xx"]
# What rules look for, what cuts and shapes are made of, and the words put beside pieces.
SCRAPS = [
    *"abzABZéÉœ019.,;:!?()[]{}<>\"'`´‘’‚“”„«»–—-…%$€#@&*/\\|_+=°º\u00a0\u3000²٣ßªǅ中한かि😀",
    "DOTMULTI", "Mr.", "No.", "p.", "art.", "etc.", "U.S.", "nº\u00a0", "d’une", "5's", "''",
    "5,300", "...", ".\"", ",\"", "\u00a0%", "\u00a0ºC", "zq", "Zq", "0q", "qzq", "000", "MULTI",
    *[" "] * 18,
]  # fmt: skip


@cache
def rules(language: str) -> tuple[Any, Any]:
    """The rules as they are, but for two predicates that would make this test last for hours."""
    from sacremoses import MosesPunctNormalizer, MosesTokenizer

    tokeniser = MosesTokenizer(language)
    small, letters = set(tokeniser.IsLower), set(tokeniser.IsAlpha)
    tokeniser.islower = lambda text: set(text) <= small
    tokeniser.isanyalpha = lambda text: bool(set(text) & letters)
    return MosesPunctNormalizer(language), tokeniser


def by_the_rules(language: str, line: str) -> str:
    normaliser, tokeniser = rules(language)
    return " ".join(tokeniser.tokenize(normaliser.normalize(line), escape=False))


def differing(
    tokeniser: BlockTokeniser, language: str, lines: Iterable[str]
) -> list[tuple[str, str, str]]:
    """The lines whose words are not those of sacremoses, with both."""
    cleaned = [FIRST_CLEANING.clean(line) for line in lines]
    found = tokeniser.tokenise("".join(f"{line}\n" for line in cleaned)).split("\n")
    assert found.pop() == ""
    expected = [by_the_rules(language, line) for line in cleaned]
    triples = zip(cleaned, found, expected, strict=True)
    return [each for each in triples if each[1] != each[2]]


@pytest.mark.parametrize("language", LANGUAGES)
def test_any_mixture_of_characters_gives_the_words_of_the_rules(language: str) -> None:
    draw = random.Random(language)
    tokeniser = BlockTokeniser(Moses(language))
    for longest in (4, 10, 40):
        for _ in range(3):
            lines = ["".join(draw.choices(SCRAPS, k=draw.randrange(longest))) for _ in range(100)]
            assert differing(tokeniser, language, lines) == []


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize(
    "name", ["wmt_news/newstest2013", "noise/europarl-v7.head", "multi30k/val"]
)
def test_real_text_gives_the_words_of_the_rules(real_data: Path, name: str, language: str) -> None:
    text = (real_data / f"{name}.{language}").read_bytes().decode()
    assert differing(BlockTokeniser(Moses(language)), language, text.split("\n")[:1500]) == []


def test_the_predicates_answer_as_those_of_the_rules() -> None:
    from sacremoses import MosesTokenizer

    plain, ours = MosesTokenizer("en"), Moses("en")._tokenise.__self__
    for text in ["", "a", "A", "5", "é", "1a", "a.b", "...", "ß", "中", "ǅ"]:
        assert bool(ours.islower(text)) == bool(plain.islower(text))
        assert bool(ours.isanyalpha(text)) == bool(plain.isanyalpha(text))


def test_a_full_memory_changes_no_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FRAGMENTS_PER_GENERATION", 20)
    draw = random.Random(1)
    tokeniser = BlockTokeniser(Moses("en"))
    for _ in range(40):
        lines = ["".join(draw.choices(SCRAPS, k=9)) for _ in range(10)]
        assert differing(tokeniser, "en", lines) == []
        assert len(tokeniser.old) <= 20 + 10 * 9 * 3


def test_what_was_met_is_not_worked_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tokeniser = BlockTokeniser(Moses("fr"))
    line = "L’article 5, par. 3 de la « Loi » no. 7 :\n"
    first = tokeniser.tokenise(line * 50)
    monkeypatch.setattr(tokeniser.moses, "words", None)
    assert tokeniser.tokenise(line * 1000) == first * 20


def test_new_ordinary_words_need_a_call_for_each_shape_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tokeniser, calls = BlockTokeniser(Moses("en")), []
    words = tokeniser.moses.words

    def counted(text: str) -> list[str]:
        calls.append(text)
        return words(text)

    monkeypatch.setattr(tokeniser.moses, "words", counted)
    new = ["".join(letters) for letters in product("abcdef", repeat=4)]
    tokeniser.tokenise("".join(f"({word}) it’s,\n" for word in new))
    assert len(calls) <= 2


@pytest.mark.parametrize("language", ["fr", "de", "en"])
def test_dots_and_their_marks_give_the_words_of_the_rules(language: str) -> None:
    """Whatever stands between them: two rules for them are not those of sacremoses."""
    draw, moses = random.Random(language), Moses(language)
    scraps = [".", ".", '"', "'", "…", "DOT", "MULTI", "-", "1", "a", ",", " ", "<", "\u2003"]
    for length in range(1, 13):
        for _ in range(150):
            line = "".join(draw.choices(scraps, k=length))
            assert " ".join(moses.words(line)) == by_the_rules(language, line), line


@pytest.mark.parametrize("language", ["fr", "de", "es"])
def test_the_rule_that_is_replaced_is_one_of_sacremoses(language: str) -> None:
    from sacremoses import MosesPunctNormalizer

    rule = module.DOTS_AND_QUOTE
    assert MosesPunctNormalizer(language).substitutions.count(rule) == 1


def test_long_rows_do_not_take_for_ever() -> None:
    """Of 20,000 dots the rules themselves make 400 million steps."""
    moses = Moses("fr")
    for row in ("." * 200_000, "DOT" * 70_000):
        assert moses.words(f"a {row}") == ["a", row]
        assert moses.words(f"a {row} b") == ["a", row, "b"]
    assert moses.words("…" * 50_000) == ["." * 150_000]
