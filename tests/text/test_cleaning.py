"""What is counted as odd is what is replaced."""

import unicodedata
from collections import Counter

import pytest

from s2s_cli.text.cleaning import (
    BYTE_ORDER_MARK,
    CARRIAGE_RETURN,
    CLEANING,
    DECOMPOSED,
    FIRST_CLEANING,
    HTML_ENTITY,
    CharacterClass,
    Cleaning,
    compose,
)

both = pytest.mark.parametrize("rules", [FIRST_CLEANING, CLEANING], ids=["first", "today"])


@both
def test_every_control_and_format_character_of_the_plane_is_of_a_kind(rules: Cleaning) -> None:
    """Cc, Zl, Zp whole; of Cf those that European text meets as dirt."""
    for code in range(0x10000):
        category = unicodedata.category(chr(code))
        if category in ("Cc", "Zl", "Zp") and chr(code) != "\n":
            assert rules.count_odd(chr(code)).total() == 1, hex(code)
        if category[0] in "LNP" or chr(code) in " \n":
            assert rules.count_odd(chr(code)).total() == 0, hex(code)


@pytest.mark.parametrize("kept", ["\u200c", "\u200d", "\u180e", "\u034f", "\ufe0f", "\U000e0067"])
def test_invisible_characters_of_spelling_stay(kept: str) -> None:
    """Joiners (Persian, Indic, emoji), Mongolian vowels, variation selectors, emoji tags."""
    assert CLEANING.clean(f"a{kept}b") == f"a{kept}b"
    assert not CLEANING.count_odd(f"a{kept}b")


@pytest.mark.parametrize(
    "dropped",
    [*"\u061c\u200b\u200e\u200f\u202a\u202e\u2060\u2061\u2062\u2063\u2064\u2066\u2069\u206f\u00ad"],
)
def test_invisible_characters_of_formatting_go(dropped: str) -> None:
    assert CLEANING.clean(f"a{dropped}b") == "ab"


@pytest.mark.parametrize("space", ["\u00a0", "\u202f", "\u2007", "\u2009"])
def test_a_number_keeps_the_space_that_groups_its_digits(space: str) -> None:
    assert CLEANING.clean(f"10{space}000{space}€") == f"10{space}000 €"
    assert CLEANING.clean(f"a{space}5") == "a 5"


@both
def test_no_character_is_of_two_kinds(rules: Cleaning) -> None:
    characters = "".join(kind.characters for kind in rules.classes)
    assert len(set(characters)) == len(characters)


@both
def test_counts_by_kind(rules: Cleaning) -> None:
    found = rules.count_odd("a\u00a0b\u202f c\rd &eacute; &nosuch; &amp;nbsp; \ufeff")
    assert found == {
        "no-break space": 2,
        CARRIAGE_RETURN.name: 1,
        HTML_ENTITY: 2,
        BYTE_ORDER_MARK.name: 1,
    }


@both
def test_clean_text_is_untouched(rules: Cleaning) -> None:
    line = "Où est-ce ? «Là» – 5 € & 😀"
    assert rules.clean(line) == line


@pytest.mark.parametrize(
    ("rules", "kind"),
    [
        (rules, kind)
        for rules in (FIRST_CLEANING, CLEANING)
        for kind in rules.classes
        if kind.replacement != "\ufffd"
    ],
)
def test_what_is_said_is_what_is_done_to_raw_text(rules: Cleaning, kind: CharacterClass) -> None:
    for character in kind.characters:
        cleaned = rules.clean(f"a{character}b")
        match rules.treatment(kind.name):
            case "removed":
                assert cleaned == "ab"
            case "read as a space" | "read as a space, but kept inside a number":
                assert cleaned in ("a b", "a\u00a0b")
            case other:
                raise AssertionError(other)


@both
def test_a_block_is_cleaned_and_counted_as_its_lines_are(rules: Cleaning) -> None:
    lines = ["a", "", "b\u00a0c &amp; d", "&nosuch;", "e\r\tf\u2028", "&#10;", "\ufeff", "x & y"]
    block = "".join(f"{line}\n" for line in lines)
    counts = sum(map(rules.count_odd, lines), Counter[str]())
    assert rules.clean_block(block) == ("".join(f"{rules.clean(line)}\n" for line in lines), counts)
    assert rules.count_odd_block(block) == counts
    assert rules.clean_block("") == ("", Counter())


def test_composing_changes_and_counts_the_lines_that_are_decomposed() -> None:
    block = unicodedata.normalize("NFD", "été\n") + "été\n\nabc\n"
    assert compose(block) == ("été\nété\n\nabc\n", Counter({DECOMPOSED: 1}))
    assert compose("été\n") == ("été\n", Counter())
