"""Lines from anywhere: none is lost, moved or joined to another, and none depends on the others."""

import re
import unicodedata
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import BLANKS, Dress, as_read, dresses, enormous, examples, lines, words

from s2s_cli.data.numericalise import VocabConfig, numericalise
from s2s_cli.errors import UserError
from s2s_cli.files import read_lines
from s2s_cli.preparation import chunks
from s2s_cli.preparation.config import PrepConfig
from s2s_cli.preparation.prepare import prepare
from s2s_cli.text.facts import Facts
from s2s_cli.text.tokenise import TokeniserKind, make_tokeniser
from s2s_cli.text.vocabulary import EOS, UNK, Vocabulary

PLAIN = Dress(mark=False, returns=False, ended=True, packed=False)
texts = st.lists(lines, max_size=12)
# Made once: memory of what they met must change no word.
TOKENISERS = {
    (kind, language): make_tokeniser(kind, language)
    for language in ("en", "fr", "xx")
    for kind in get_args(TokeniserKind)
}
tokenisers = st.sampled_from(list(TOKENISERS))


@contextmanager
def folder() -> Any:
    # What a disk would keep after a crash is not asked here.
    with TemporaryDirectory() as name, patch("os.fsync"):
        yield Path(name)


def write(directory: Path, name: str, text: list[str], dress: Dress) -> Path:
    (directory / (name + dress.suffix)).write_bytes(dress.put_on(text))
    return directory / name


def lines_of(path: Path) -> list[str]:
    text = path.read_bytes().decode()
    assert text == "" or text.endswith("\n")
    return text.split("\n")[:-1]


@examples(150)
@given(st.lists(st.one_of(lines, enormous), max_size=6), dresses)
def test_a_line_ends_at_its_line_feed_alone(text: list[str], dress: Dress) -> None:
    if not dress.ended and text[-1:] == [""]:
        text = text[:-1]  # what has no end and is empty is no line
    with folder() as directory:
        path = write(directory, "text", text, dress)
        got = list(read_lines(path))
    assert got == as_read(text, dress)
    assert len(got) == len(text)


@examples(150)
@given(st.lists(st.binary(max_size=12), min_size=1, max_size=8))
@example([b"a", b"\xff", b"c"])
@example([b"\xef\xbb", b"b"])
def test_what_is_no_utf8_is_named_after_the_lines_before_it(raw: list[bytes]) -> None:
    parts = b"\n".join(raw).removeprefix(b"\xef\xbb\xbf").split(b"\n")
    good = []
    for part in parts:
        try:
            good.append(part.removesuffix(b"\r").decode())
        except UnicodeDecodeError:
            break
    with folder() as directory:
        path = directory / "text"
        path.write_bytes(b"\n".join([*raw, b""]))
        stream = read_lines(path)
        assert [next(stream) for _ in good] == good
        if len(good) < len(parts):
            with pytest.raises(UserError, match=rf"text:{len(good) + 1}: invalid UTF-8"):
                next(stream)


@examples(150)
@given(tokenisers, texts)
def test_words_are_whole_and_a_line_has_the_same_in_any_company(
    which: tuple[TokeniserKind, str], text: list[str]
) -> None:
    tokeniser = TOKENISERS[which]
    alone = [make_tokeniser(*which).tokenise(line) for line in text]
    for made in alone:
        assert all(word and not set(word) & set(" \n\r\ufeff") for word in made)
    block, _ = tokeniser.tokenise_block("".join(line + "\n" for line in text))
    assert block == "".join(" ".join(made) + "\n" for made in alone)


@examples(30)
@given(tokenisers, enormous)
def test_an_enormous_line_is_a_line(which: tuple[TokeniserKind, str], line: str) -> None:
    block, _ = TOKENISERS[which].tokenise_block(f"one\n{line}\ntwo\n")
    assert block.split("\n") == ["one", " ".join(TOKENISERS[which].tokenise(line)), "two", ""]


@pytest.mark.parametrize("blank", BLANKS)
def test_odd_blanks_are_no_words_of_raw_text(blank: str) -> None:
    for line in (blank, blank * 3, f" {blank}\u00a0{blank} "):
        assert TOKENISERS["moses", "fr"].tokenise(line) == []


@examples(150)
@given(st.lists(words, max_size=12))
def test_tokenised_text_is_stable(made: list[str]) -> None:
    tokeniser = TOKENISERS["spaces", "fr"]
    made = [unicodedata.normalize("NFC", word) for word in made]
    line = tokeniser.detokenise(made)
    assert "\n" not in line
    assert tokeniser.tokenise(line) == made
    assert tokeniser.tokenise(f" {line}  ") == made


@examples(150)
@given(st.sampled_from(["en", "fr", "xx"]), lines)
def test_detokenising_moves_spaces_alone(language: str, line: str) -> None:
    tokeniser = TOKENISERS["moses", language]
    made = tokeniser.tokenise(line)
    running = tokeniser.detokenise(made)
    assert "\n" not in running
    assert re.sub(r"\s", "", running) == re.sub(r"\s", "", "".join(made))


def prepared(
    directory: Path, pairs: list[tuple[str, str]], dressed: tuple[Dress, Dress], tokenised: bool
) -> Path:
    """The data directory made of ``pairs`` as training and as test text, after one that fits."""
    for side, language in enumerate(("en", "fr")):
        text = ["keep", *(pair[side] for pair in pairs)]
        for split in ("train", "test"):
            write(directory, f"{split}.{language}", text, dressed[side])
    data = directory / "data"
    prepare(PrepConfig(directory, output=data, tokenised=tokenised, max_length=8, max_ratio=4))
    return data


def reason(lengths: tuple[int, int]) -> str | None:
    if 0 in lengths:
        return "empty"
    if max(lengths) > 8:
        return "too long"
    return "length ratio" if max(lengths) > 4 * min(lengths) else None


@examples(40)
@given(st.lists(st.tuples(lines, lines), max_size=10), st.booleans(), st.integers(1, 4))
def test_prep_keeps_or_drops_and_lists_each_pair_on_both_sides(
    pairs: list[tuple[str, str]], tokenised: bool, chunk: int
) -> None:
    with folder() as directory, patch.object(chunks, "PAIRS_PER_CHUNK", chunk):
        data = prepared(directory, pairs, (PLAIN, PLAIN), tokenised)
        kind: TokeniserKind = "spaces" if tokenised else "moses"
        sides = [
            [make_tokeniser(kind, language).tokenise(line) for line in ("keep", *text)]
            for language, text in zip(("en", "fr"), zip(*pairs, strict=True), strict=False)
        ] or [[["keep"]]] * 2
        reasons = [reason((len(left), len(right))) for left, right in zip(*sides, strict=True)]
        rows = [f"train\t{number}\t{why}" for number, why in enumerate(reasons, 1) if why]
        assert lines_of(data / "dropped.tsv") == ["split\tline\treason", *rows]
        for language, side in zip(("en", "fr"), sides, strict=True):
            text = [" ".join(line) for line in side]
            kept = [line for line, why in zip(text, reasons, strict=True) if why is None]
            assert lines_of(data / f"train.{language}") == kept
            assert lines_of(data / f"test.{language}") == text


@examples(40)
@given(
    st.lists(st.tuples(words, words), min_size=1, max_size=8),
    st.tuples(dresses, dresses),
    st.booleans(),
)
def test_prep_reads_any_dress_alike(
    pairs: list[tuple[str, str]], dressed: tuple[Dress, Dress], tokenised: bool
) -> None:
    outputs = []
    for each in ((PLAIN, PLAIN), dressed):
        with folder() as directory:
            data = prepared(directory, pairs, each, tokenised)
            files = ("train.en", "train.fr", "test.en", "test.fr", "dropped.tsv")
            outputs.append([(data / name).read_bytes() for name in files])
    assert outputs[0] == outputs[1]


@examples(150)
@given(st.lists(words, unique=True, max_size=12), st.lists(words, max_size=12))
def test_a_vocabulary_reads_back_and_no_word_is_a_symbol(known: list[str], line: list[str]) -> None:
    with folder() as directory:
        vocabulary = Vocabulary(known, range(len(known), 0, -1))
        vocabulary.write(directory / "vocab")
        again = Vocabulary.read(directory / "vocab")
    assert (again.words, again.counts) == (known, list(range(len(known), 0, -1)))
    ids = again.encode(line)
    assert [number not in (EOS, UNK) for number in ids] == [word in known for word in line]
    written = again.decode(ids)
    assert [a == b for a, b in zip(written, line, strict=True) if b in known].count(False) == 0
    # Unknown words too are read back as what they were.
    assert again.encode(written) == ids


@examples(25)
@given(st.lists(st.lists(words, min_size=1, max_size=6), min_size=1, max_size=6))
def test_reversing_twice_is_the_identity(text: list[list[str]]) -> None:
    ids: list[list[list[int]]] = []
    with folder() as directory:
        for reverse in (False, True):
            for side in (text, [line[::-1] for line in text]):
                for language in ("en", "fr"):
                    write(directory, f"train.{language}", [" ".join(line) for line in side], PLAIN)
                Facts("en", "fr", True, reverse, "none").write(directory)
                numericalise(VocabConfig(directory))
                raw = (directory / "train.en.ids").read_bytes()
                ids.append(
                    [[int.from_bytes(raw[at : at + 4], "little") for at in range(0, len(raw), 4)]]
                )
    # Text and order: as it is, backwards by hand, backwards by the facts, and both.
    natural, by_hand, by_facts, twice = ids
    assert natural == twice
    assert by_hand == by_facts
