"""TOML as it is written: read back, it is what it was."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s_cli.errors import UsageError, UserError
from s2s_cli.toml import parse_toml, toml_section

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
VALUES = st.booleans() | NUMBERS | TEXTS


@given(st.dictionaries(TEXTS, VALUES | st.lists(VALUES)))
def test_a_section_is_read_as_it_was(entries: dict[str, object]) -> None:
    assert tomllib.loads(toml_section("a.b", entries)) == {"a": {"b": entries}}


def test_a_section_is_a_line_for_each_entry_and_a_comment_where_there_is_none() -> None:
    entries = {"beam": 2, "n-best_2": [1, 0.5], "TM 0": None, "é": Path("x\x7f"), "on": True}
    assert toml_section("decode", entries).splitlines() == [
        "[decode]",
        "beam = 2",
        "n-best_2 = [1, 0.5]",
        '# "TM 0" is not set',
        '"é" = "x\\u007f"',
        "on = true",
    ]


def test_a_name_that_is_no_text_is_refused() -> None:
    with pytest.raises(UserError, match="not UTF-8"):
        toml_section("a", {"b": Path("\udcff")})


@pytest.mark.parametrize(
    "content", [b"a", b"a = \xff", b"a = " + b"1" * 5000, b"a = " + b"[" * 99999]
)
def test_what_is_no_toml_is_told_with_its_path(content: bytes) -> None:
    with pytest.raises(UserError, match=r"^w\.toml: not valid TOML") as error:
        parse_toml(content, Path("w.toml"), UsageError)
    assert error.value.exit_code == 2


def test_a_mark_of_the_byte_order_is_no_part_of_a_key() -> None:
    assert parse_toml(b"\xef\xbb\xbfa = 1", Path("w.toml")) == {"a": 1}
