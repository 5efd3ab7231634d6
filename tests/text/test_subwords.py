"""Words come back from their pieces, whatever they are; models are checked."""

import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples, words

from s2s_cli.errors import UserError
from s2s_cli.preparation.learning import learn_pieces
from s2s_cli.text.subwords import (
    SentencePiece,
    Splitter,
    SubwordKind,
    SubwordNmt,
    Subwords,
    escape_word_start,
    make_splitter,
    model_file,
    places_of_words,
    unescape_word_start,
)

PATH = Path("subwords.en.model")
COUNTS = Counter({"lower": 9, "low": 8, "newer": 7, "wider": 6, "l’été": 4, "UNK": 3, "▁": 2})
KINDS: tuple[SubwordKind, ...] = ("bpe", "unigram")
marked = st.lists(st.sampled_from(["▁", "&#9601;", "&amp;#9601;", "&amp;", "@@", "UNK", "low"]))
any_words = st.lists(st.one_of(words, marked.map("".join).filter(bool)), max_size=6)
pieces = st.lists(st.sampled_from(["▁", "▁low", "er", "UNK", "&#9601;", "@@", "<unk>"]), max_size=8)


@cache
def learned(kind: SubwordKind) -> Splitter:
    return make_splitter(
        kind, learn_pieces(kind, COUNTS, 40 if kind == "bpe" else 26, 1.0, "en"), PATH
    )


@examples(60)
@given(kind=st.sampled_from(KINDS), text=any_words)
def test_words_come_back_from_their_pieces(kind: SubwordKind, text: list[str]) -> None:
    split = learned(kind).split(text)
    assert learned(kind).join(split) == text
    assert not any(set(" \n") & set(piece) for piece in split)
    # No word is split otherwise beside others.
    assert [*split] == [piece for word in text for piece in learned(kind).split([word])]


@examples(60)
@given(kind=st.sampled_from(KINDS), text=any_words)
def test_words_of_one_piece_are_known_and_words_can_be_left_whole(
    kind: SubwordKind, text: list[str]
) -> None:
    each = learned(kind)
    split = each.split(text)
    lengths = [len(each.split([word])) for word in text]
    expected = [
        word if length == 1 else None
        for word, length in zip(text, lengths, strict=True)
        for _ in range(length)
    ]
    assert [each.whole_word(split, place) for place in range(len(split))] == expected
    assert each.join(each.as_pieces(text)) == text


@pytest.mark.parametrize(
    ("given_by", "text", "alone"),
    [
        (SubwordNmt(), ["lo@@", "w@@", "er", "un", "a"], ["lo", "w", "er", "un", "a"]),
        (SentencePiece(), ["▁lo", "w", "er", "▁un", "▁a"], ["▁lo", "w", "er", "▁un", "▁a"]),
    ],
)
def test_so_are_those_of_pieces_that_were_given(
    given_by: Splitter, text: list[str], alone: list[str]
) -> None:
    whole = [given_by.whole_word(text, place) for place in range(len(text))]
    assert whole == [None, None, None, "un", "a"]
    assert [given_by.unmarked(piece) for piece in text] == alone
    assert given_by.join(given_by.as_pieces(["un", "a"])) == ["un", "a"]


@examples(40)
@given(text=pieces)
def test_any_pieces_are_words(text: list[str]) -> None:
    for each in (learned("bpe"), SentencePiece(), SubwordNmt()):
        joined = each.join(text)
        assert all(word and " " not in word for word in joined)


@examples(60)
@given(marked.map("".join))
def test_marks_of_words_are_no_starts_of_words(word: str) -> None:
    assert "▁" not in escape_word_start(word)
    assert unescape_word_start(escape_word_start(word)) == word


def test_a_word_that_was_seen_is_split_and_an_unknown_character_is_one_piece() -> None:
    assert learned("bpe").split(["lower", "low"]) == ["▁lower", "▁low"]
    assert learned("bpe").split(["slow"])[0] == "▁"
    assert "日本" in learned("bpe").split(["low日本er"])
    # Characters are not normalised: these two are written alike, and only one was learned.
    assert "\u0301" in learned("bpe").split(["e\u0301"])


def test_conventions_of_text_that_came_split() -> None:
    assert SubwordNmt().join(["the", "low@@", "est", "@@", "x@@"]) == ["the", "lowest", "x"]
    assert SentencePiece().join(["▁the", "▁low", "est", "▁", "x"]) == ["the", "lowest", "x"]
    for each in (SubwordNmt(), SentencePiece()):
        assert each.split(["low@@", "est", "▁a"]) == ["low@@", "est", "▁a"]


def test_the_library_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(UserError, match=r"pip install .*\[subwords\]'"):
        make_splitter("bpe", b"model", PATH)
    assert make_splitter("subword-nmt", None, PATH).join(["a@@", "b"]) == ["ab"]


def test_a_model_is_the_one_that_the_facts_name(tmp_path: Path) -> None:
    models = (
        learn_pieces("bpe", COUNTS, 40, 1.0, "en"),
        learn_pieces("unigram", COUNTS, 26, 1.0, "en"),
    )
    subwords = Subwords("bpe", tuple(map(model_file, models)))
    languages = ("en", "fr")
    for language, model in zip(languages, models, strict=True):
        (tmp_path / f"subwords.{language}.model").write_bytes(model)
    assert subwords.read_models(tmp_path, languages) == models
    assert Subwords.from_json(subwords.as_json(languages), languages, tmp_path) == subwords
    with pytest.raises(UserError, match=r"subwords\.en\.model: is not the SentencePiece model"):
        subwords.read_models(tmp_path, ("en", "en"))
    (tmp_path / "subwords.fr.model").unlink()
    with pytest.raises(UserError, match=r"subwords\.fr\.model: no such file"):
        subwords.read_models(tmp_path, languages)


@pytest.mark.parametrize("content", [b"\0", b"model", b"\x0a\x05" * 9])
def test_bytes_that_are_no_model_are_refused(content: bytes) -> None:
    with pytest.raises(UserError, match="is no SentencePiece model"):
        make_splitter("bpe", content, PATH)


@pytest.mark.parametrize(
    "entry",
    [
        None,
        "bpe",
        {"kind": "bpe"},
        {"kind": "bpe", "models": {}},
        {"kind": "wordpiece", "models": {}},
        {"kind": "none", "models": {"en": {"bytes": 1, "sha256": ""}}},
        {"kind": "bpe", "models": {"en": {"bytes": 1, "sha256": ""}, "fr": {"bytes": -1}}},
    ],
)
def test_an_entry_that_is_none_is_refused(entry: object) -> None:
    with pytest.raises(UserError, match="subwords is missing or malformed"):
        Subwords.from_json(entry, ("en", "fr"), Path("facts.json"))


def test_pieces_of_real_text(real_data: Path) -> None:
    lines = (real_data / "multi30k/val.fr").read_text("utf-8").split("\n")[:-1]
    split = make_splitter(
        "bpe", learn_pieces("bpe", Counter(" ".join(lines).split(" ")), 500, 1.0, "fr"), PATH
    )
    for line in lines:
        text = [word for word in line.split(" ") if word]
        assert split.join(split.split(text)) == text


@pytest.mark.parametrize(
    ("pieces", "places"),
    [
        ([], []),
        (["▁chi", "en", "▁dort"], [0, 0, 1]),
        (["chi", "en", "▁dort"], [0, 0, 1]),
        (["▁", "chien", "▁", "▁dort"], [0, 0, 0, 1]),
    ],
)
def test_each_piece_belongs_to_the_word_that_joining_makes(
    pieces: list[str], places: list[int]
) -> None:
    assert places_of_words(pieces) == places
    assert len(SentencePiece().join(pieces)) == len(set(places))
