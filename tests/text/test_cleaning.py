"""What is counted as odd is what is replaced."""

import unicodedata
from collections import Counter

import pytest

from s2s_cli.text.cleaning import (
    BYTE_ORDER_MARK,
    CARRIAGE_RETURN,
    CHARACTER_CLASSES,
    HTML_ENTITY,
    CharacterClass,
    clean,
    clean_block,
    count_odd,
    count_odd_block,
    treatment_in_raw_text,
)


def test_every_control_and_format_character_of_the_plane_is_of_a_kind() -> None:
    """Cc, Zl, Zp whole; of Cf those that European text meets as dirt."""
    for code in range(0x10000):
        category = unicodedata.category(chr(code))
        if category in ("Cc", "Zl", "Zp") and chr(code) != "\n":
            assert count_odd(chr(code)).total() == 1, hex(code)
        if category[0] in "LNP" or chr(code) in " \n":
            assert count_odd(chr(code)).total() == 0, hex(code)


def test_no_character_is_of_two_kinds() -> None:
    characters = "".join(kind.characters for kind in CHARACTER_CLASSES)
    assert len(set(characters)) == len(characters)


def test_counts_by_kind() -> None:
    found = count_odd("a\u00a0b\u202f c\rd &eacute; &nosuch; &amp;nbsp; \ufeff")
    assert found == {
        "no-break space": 2,
        CARRIAGE_RETURN.name: 1,
        HTML_ENTITY: 2,
        BYTE_ORDER_MARK.name: 1,
    }


def test_clean_text_is_untouched() -> None:
    line = "Où est-ce ? «\u2009Là\u2009» – 5 € & 😀"
    assert clean(line) == line


@pytest.mark.parametrize(
    "kind", [kind for kind in CHARACTER_CLASSES if kind.replacement != "\ufffd"]
)
def test_what_is_said_is_what_is_done_to_raw_text(kind: CharacterClass) -> None:
    for character in kind.characters:
        cleaned = clean(f"a{character}b")
        match treatment_in_raw_text(kind.name):
            case "removed":
                assert cleaned == "ab"
            case "read as a space":
                assert cleaned in ("a b", "a\u00a0b")
            case other:
                raise AssertionError(other)


def test_a_block_is_cleaned_and_counted_as_its_lines_are() -> None:
    lines = ["a", "", "b\u00a0c &amp; d", "&nosuch;", "e\r\tf\u2028", "&#10;", "\ufeff", "x & y"]
    block = "".join(f"{line}\n" for line in lines)
    counts = sum(map(count_odd, lines), Counter[str]())
    assert clean_block(block) == ("".join(f"{clean(line)}\n" for line in lines), counts)
    assert count_odd_block(block) == counts
    assert clean_block("") == ("", Counter())
