"""Tokenising: equal to the text that the phrase-based system was given, safe on odd input."""

import random
import sys
import unicodedata
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest

from s2s_cli.text.cleaning import (
    AT_EDGES,
    BYTE_ORDER_MARK,
    CARRIAGE_RETURN,
    CLEANING,
    DECOMPOSED,
    FIRST_CLEANING,
    HTML_ENTITY,
    compose,
)
from s2s_cli.text.tokenise import (
    MosesTokeniser,
    SacremosesTokeniser,
    SpaceTokeniser,
    TokeniserKind,
    make_tokeniser,
)


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize(
    ("raw", "tokenised"),
    [("val", "val.tok"), ("test_2016_flickr", "test_2016_flickr.tok")],
)
def test_equals_the_tokenisation_of_the_published_lists(
    real_data: Path, language: str, raw: str, tokenised: str
) -> None:
    tokeniser = SacremosesTokeniser(language)
    lines = (real_data / "multi30k" / f"{raw}.{language}").read_bytes().decode().split("\n")
    expected = (real_data / "smt" / f"{tokenised}.{language}").read_bytes().decode().split("\n")
    assert [" ".join(tokeniser.tokenise(line)) for line in lines] == expected


@pytest.mark.parametrize("language", ["en", "fr"])
def test_detokenised_text_tokenises_to_the_same_words(real_data: Path, language: str) -> None:
    tokeniser = MosesTokeniser(language)
    lines = (real_data / "smt" / f"val.tok.{language}").read_bytes().decode().splitlines()
    differing = [
        line
        for line in lines
        if tokeniser.tokenise(tokeniser.detokenise(line.split(" "))) != line.split(" ")
    ]
    assert len(differing) <= len(lines) // 100


def test_french_and_english_split_at_different_sides_of_the_apostrophe() -> None:
    assert MosesTokeniser("fr").tokenise("L'été d'une fille.") == [
        "L'", "été", "d'", "une", "fille", ".",
    ]  # fmt: skip
    assert MosesTokeniser("en").tokenise("The girl's dog.") == ["The", "girl", "'s", "dog", "."]


def test_case_is_kept_and_nothing_is_escaped() -> None:
    assert MosesTokeniser("en").tokenise("A & B | <C> [D]") == [
        "A", "&", "B", "|", "<", "C", ">", "[", "D", "]",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("Tom &amp; Ann&apos;s &quot;car&quot;", 'Tom & Ann\'s "car"'),
        ("10&#160;km", "10 km"),
        ("Oui\u202f; non\u202f!", "Oui ; non !"),
        ("a\u061cb \u2062c", "ab c"),
        ("one\rtwo", "one two"),
        ("one\u2028two\u0085three", "one two three"),
        ("one&#10;two&#13;three", "one two three"),
        ("\ufeffone\u200b tw\u00ado", "one two"),
        ("on\x07e\x96", "one"),
    ],
)
def test_odd_characters_mean_what_they_stand_for(raw: str, plain: str) -> None:
    tokeniser = MosesTokeniser("fr")
    assert tokeniser.tokenise(raw) == tokeniser.tokenise(plain)


def test_entities_without_semicolon_and_unknown_ones_are_text() -> None:
    words = MosesTokeniser("en").tokenise("a?x=1&copy=2 &nosuch; R&D")
    assert "".join(words) == "a?x=1&copy=2&nosuch;R&D"


def test_entities_are_resolved_once() -> None:
    assert "".join(MosesTokeniser("en").tokenise("&amp;lt;")) == "&lt;"


@pytest.mark.parametrize("kind", get_args(TokeniserKind))
@pytest.mark.parametrize("language", ["en", "fr", "zh", "xx", "pt-BR"])
def test_no_word_is_empty_or_has_a_space_or_line_end_in_it(
    language: str, kind: TokeniserKind
) -> None:
    tokeniser = make_tokeniser(kind, language)
    generator = random.Random(language)
    alphabet = [chr(code) for code in range(0x180)] + list("\u2028\u2029\u202f\u3000\ufeff\u200b€")
    alphabet += [
        " ",
        "&#10;",
        "&#32;",
        "&nbsp;",
        "...",
        "'",
        '"',
        chr(0x1F600),
        chr(sys.maxunicode),
    ]
    for _ in range(400):
        line = "".join(generator.choices(alphabet, k=generator.randrange(30)))
        words = tokeniser.tokenise(line)
        assert all(word and not set(word) & set(" \n\r\ufeff") for word in words), repr(line)
        assert "\n" not in tokeniser.detokenise(words)


@pytest.mark.parametrize("line", ["", " ", "\t", "\u00a0", "\u2028", "&nbsp;", "\u200b", "\x00"])
def test_a_line_that_looks_blank_has_no_words(line: str) -> None:
    assert MosesTokeniser("fr").tokenise(line) == []
    assert MosesTokeniser("fr").detokenise([]) == ""


def test_tokenised_text_is_split_at_ascii_spaces_alone() -> None:
    tokeniser = SpaceTokeniser()
    words = ["Qu'est-ce", "que\u00a0c'est", "\u2028", "&amp;", "|||", "a\tb", "«\u202f?"]
    assert tokeniser.tokenise("  " + "  ".join(words) + " ") == words
    assert tokeniser.detokenise(words) == " ".join(words)


def test_french_detokenisation_joins_what_belongs_together() -> None:
    line = "Un homme s'assied à l'ombre, près d'un \"vieux\" arbre (un chêne)."
    tokeniser = MosesTokeniser("fr")
    assert tokeniser.detokenise(tokeniser.tokenise(line)) == line


def test_the_region_of_a_language_code_does_not_change_the_words() -> None:
    line = "L'été, d'une fille."
    for code in ("fr-CA", "fr_FR", "FR"):
        assert MosesTokeniser(code).tokenise(line) == MosesTokeniser("fr").tokenise(line)


def test_name_says_which_version_made_the_words() -> None:
    import sacremoses

    assert MosesTokeniser("en").name == "s2s moses 2"
    assert SacremosesTokeniser("en").name == f"sacremoses {sacremoses.__version__}"
    assert SpaceTokeniser().name == "none"


@pytest.mark.parametrize("kind", get_args(TokeniserKind))
def test_a_block_has_the_words_of_its_lines(kind: TokeniserKind) -> None:
    lines = [
        "It’s  5 dogs. ",
        "",
        " ",
        "a b",
        "\ufeffa\rb",
        " x",
        "No. 5 &amp; p.\u00a06",
        "\u2028",
    ]
    tokeniser = make_tokeniser(kind, "en")
    for some in (lines, ["a b", "c"], ["a b", " c"], ["a", "b "], ["a  b"], [" a"]):
        block = "".join(f"{line}\n" for line in some)
        expected = "".join(" ".join(tokeniser.tokenise(line)) + "\n" for line in some)
        assert tokeniser.tokenise_block(block)[0] == expected


def test_tokenised_text_keeps_all_but_what_files_drop() -> None:
    treatment = SpaceTokeniser().treatment
    kept = {kind.name for kind in CLEANING.classes if treatment(kind.name) == "kept"}
    assert {kind.name for kind in CLEANING.classes} - kept == {
        CARRIAGE_RETURN.name,
        BYTE_ORDER_MARK.name,
    }
    assert treatment(HTML_ENTITY) == "kept"
    assert {treatment(name) for name in AT_EDGES} == {"removed"}


def test_every_kind_of_tokeniser_names_itself_and_treats_every_odd_character() -> None:
    kinds = get_args(TokeniserKind)
    made = [make_tokeniser(kind, "fr") for kind in kinds]
    assert len({each.name for each in made}) == len(kinds)
    for each in made:
        classes = (FIRST_CLEANING if isinstance(each, SacremosesTokeniser) else CLEANING).classes
        for name in (*(kind.name for kind in classes), HTML_ENTITY, *AT_EDGES):
            assert each.treatment(name)


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("name", ["multi30k/val", "wmt_news/newstest2013"])
def test_real_text_survives_joiners_to_the_letter(
    real_data: Path, name: str, language: str
) -> None:
    """All but spaces in a row and what cleaning takes away."""
    tokeniser = MosesTokeniser(language, joiners=True)
    lines = (real_data / f"{name}.{language}").read_bytes().decode().split("\n")[:-1]
    for line in lines:
        composed, _ = compose(line)
        cleaned = " ".join(filter(None, CLEANING.clean(composed).split(" ")))
        assert tokeniser.detokenise(tokeniser.tokenise(line)) == cleaned


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("L'été, enfin.", "L'\uffed été \uffed, enfin \uffed."),
        ("don't (km/h) \uffed", "don \uffed't (\uffed km \uffed/\uffed h \uffed) \u25a0"),
    ],
)
def test_joiners_mark_where_no_space_stood(line: str, words: str) -> None:
    language = "fr" if "é" in line else "en"
    assert MosesTokeniser(language, joiners=True).tokenise(line) == words.split(" ")


@pytest.mark.parametrize("kind", ["moses", "joiner", "spaces"])
def test_letters_are_composed_on_request(kind: TokeniserKind) -> None:
    decomposed = unicodedata.normalize("NFD", "Où êtes-vous")
    block, odd = make_tokeniser(kind, "fr").tokenise_block(f"a\n{decomposed}\n")
    assert (block, odd) == ("a\nOù êtes-vous\n", Counter({DECOMPOSED: 1}))
    assert make_tokeniser(kind, "fr").tokenise(decomposed) == ["Où", "êtes-vous"]
    assert make_tokeniser(kind, "fr", nfc=False).tokenise(decomposed) == decomposed.split(" ")
