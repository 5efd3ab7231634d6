"""N-best lists from anywhere: every field stays, byte for byte, and what is written reads back."""

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import SCRAPS, characters, examples, words

from s2s_cli.errors import UserError
from s2s_cli.text.features import FeatureReader, entry_features, feature_value, has_feature
from s2s_cli.text.nbest import Entry, format_entry, parse_entry, read_segments

LIST = Path("list")
SPACES = st.sampled_from(["", " ", "  "])
numbers = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.floats(-1e6, 1e6).map(str),
    st.floats(-1e300, 1e300).map("{:.3e}".format),
    st.sampled_from(["-0", "+1", "1.", ".5", "-4.5e-1", "1E+02", "0.000000"]),
)
labels = st.sampled_from(
    ["d", "lm", "LM0", "TranslationModel0", "w", "é", "a\u00a0b", "a:b", "pp_x,y", "|", "s2s_"]
)
texts = st.one_of(
    st.lists(words.filter(lambda word: "|||" not in word), max_size=8).map(" ".join),
    st.text(characters, max_size=20).filter(lambda text: "|" not in text and "\r" not in text),
)
# What follows the total, or stands where nobody looks.
others = st.one_of(
    st.lists(st.builds("{}-{}".format, st.integers(0, 50), st.integers(0, 50)), max_size=4).map(
        " ".join
    ),
    st.sampled_from(["", "0=0 1-2=1", "\u00a0", "\t", "|", "||", "a\u2028b", "x= 1"]),
)


@dataclass(frozen=True)
class Line:
    """A line of a list and what was put into it.

    Attributes:
        values: of its features, in their order.
        manner: what stands between a label and its value: ``= ``, ``: `` or ``=``.
    """

    fields: list[str]
    segment: int
    words: list[str]
    total: str
    values: dict[str, list[str]]
    manner: str

    @property
    def text(self) -> str:
        return "|||".join(self.fields)


@st.composite
def features(draw: st.DrawFn) -> tuple[str, dict[str, list[str]], str]:
    """A field of features, its values and the manner of its labels."""
    manner = draw(st.sampled_from(["= ", ": ", "="]))
    names = draw(st.lists(labels, unique=True, max_size=4))
    sizes = st.just(1) if manner == "=" else st.integers(1, 3)
    values = {
        name: draw(st.lists(numbers, min_size=size, max_size=size))
        for name in names
        for size in [draw(sizes)]
    }
    blank = draw(st.sampled_from([" ", "  "]))
    labelled = [name + manner + " ".join(each) for name, each in values.items()]
    return blank.join(labelled), values, manner if values else "= "


@st.composite
def list_lines(draw: st.DrawFn) -> Line:
    segment, hypothesis = draw(st.integers(0, 10**9)), draw(texts)
    digits = draw(st.sampled_from(["", "00"])) + str(segment)
    field, values, manner = draw(features())
    total = draw(st.one_of(st.just(""), numbers))
    inner = [digits, hypothesis, field, total, *draw(st.lists(others, max_size=3))]
    most = len(inner)
    if not field and not total:
        most = draw(st.integers(2, most))  # the last fields may be missing
    elif not total and most == 4:
        most = draw(st.integers(3, most))
    # A bar beside a stroke would be read as another bar.
    guard = [" " if "|" in (text[:1], text[-1:]) else "" for text in inner]
    fields = [
        f"{draw(SPACES) or each}{text}{draw(SPACES) or each}"
        for text, each in zip(inner[:most], guard, strict=False)
    ]
    made = [word for word in hypothesis.split(" ") if word]
    return Line(fields, segment, made, total if most > 3 else "", values, manner)


def parsed(line: Line) -> Entry:
    return parse_entry(line.text, LIST, 1)


@examples(250)
@given(list_lines())
def test_a_line_is_read_as_it_was_put_together(line: Line) -> None:
    entry = parsed(line)
    assert entry.segment == line.segment
    assert entry.total == (float(line.total) if line.total else None)
    assert entry.line == line.text
    if "#124;" not in line.text:
        assert entry.words == line.words
    assert entry.hypothesis == line.fields[1].strip(" ")


@examples(250)
@given(list_lines(), st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=3))
def test_a_feature_is_added_and_every_byte_stays(line: Line, values: list[float]) -> None:
    entry = parsed(line)
    wider = entry.with_feature("s2s", values)
    added = "s2s" + line.manner + " ".join(f"{value:.7g}" for value in values)
    fields = wider.split("|||")
    assert len(fields) == max(3, len(line.fields))
    # Where there was no bar behind the hypothesis, a blank comes with it.
    blank = " " * (len(line.fields) == 2 and line.fields[1][-1:] != " ")
    assert fields[:2] == [line.fields[0], line.fields[1] + blank]
    assert fields[3:] == line.fields[3:]
    before = line.fields[2] if len(line.fields) > 2 else ""
    head, found, tail = fields[2].partition(added)
    assert found
    assert (head.rstrip(" "), tail.strip(" ")) == (before.rstrip(" "), "")
    if before.strip(" "):
        assert head == before.rstrip(" ") + " " and head[:-1] + tail == before
    again = parse_entry(wider, LIST, 1)
    assert (again.segment, again.words, again.total) == (entry.segment, entry.words, entry.total)
    # The list's features are what they were, and the new one is there.
    expected = {name: list(map(float, each)) for name, each in line.values.items()}
    rounded = [float(f"{value:.7g}") for value in values]
    assert entry_features(entry) == expected
    assert entry_features(again) == {**expected, "s2s": rounded}
    assert has_feature(again, "s2s") and not has_feature(entry, "s2s")
    if len(values) == 1:
        assert feature_value(again, "s2s", LIST) == rounded[0]


@examples(250)
@given(st.lists(words, max_size=8), st.floats(-1e6, 0), st.integers(0, 10**9))
def test_what_is_written_reads_back(made: list[str], score: float, segment: int) -> None:
    line = format_entry(segment, " ".join(made), [("S2S0", [score])], score)
    assert "\n" not in line
    entry = parse_entry(line, LIST, 1)
    assert (entry.segment, entry.words) == (segment, made)
    assert entry.total == feature_value(entry, "S2S0", LIST) == float(f"{score:.7g}")
    assert len(line.split("|||")) == 4
    wider = parse_entry(entry.with_feature("again", [score]), LIST, 1)
    assert wider.words == made


strokes = st.lists(
    st.sampled_from(["|", "||", "|||", "&#124;", "&amp;#124;", "&", "amp;", "#124;", "&amp;", "x"]),
    min_size=1,
    max_size=8,
).map("".join)


@examples(250)
@given(st.lists(strokes, min_size=1, max_size=3))
def test_words_of_strokes_and_their_entities_read_back(made: list[str]) -> None:
    line = format_entry(0, " ".join(made), [], -1)
    assert parse_entry(line, LIST, 1).words == made
    assert len(line.split("|||")) == 4


@examples(150)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=20), st.integers(1, 5))
def test_segments_are_the_runs_of_ids(blocks: list[tuple[int, int]], most: int) -> None:
    ids = [segment for segment, count in blocks for _ in range(count)]
    numbered = list(enumerate(ids, 1))
    runs = [(segment, [n for n, _ in each]) for segment, each in groupby(numbered, lambda x: x[1])]
    keys = [segment for segment, _ in runs]
    again = next((i for i, segment in enumerate(keys) if segment in keys[:i]), None)
    good = runs[:again]
    for limit in (None, most):
        expected = [
            (segment, part[start : start + (limit or len(part))])
            for segment, part in good
            for start in range(0, len(part), limit or len(part))
        ]
        text = [f"{segment} ||| x" for segment in ids]
        with patch("s2s_cli.text.nbest.read_lines", return_value=iter(text)):
            stream = read_segments(LIST, limit)
            got = [next(stream) for _ in expected]
            assert [(key, [entry.number for entry in each]) for key, each in got] == expected
            if again is None:
                assert next(stream, None) is None
            else:
                with pytest.raises(
                    UserError, match=rf"^list:{runs[again][1][0]}: id .* comes back"
                ):
                    next(stream)


@examples(150)
@given(features(), st.data())
def test_rows_hold_the_values_in_one_order(
    field: tuple[str, dict[str, list[str]], str], data: st.DataObject
) -> None:
    text, values, manner = field
    first = parse_entry(f"0 ||| a ||| {text} ||| -1", LIST, 1)
    reader = FeatureReader(LIST, first)
    assert reader.layout == {"total": 1, **{name: len(each) for name, each in values.items()}}
    order = data.draw(st.permutations(list(values)))
    other = {
        name: data.draw(st.lists(numbers, min_size=len(each), max_size=len(each)))
        for name, each in values.items()
    }
    line = " ".join(name + manner + " ".join(other[name]) for name in order)
    entry = parse_entry(f"7 ||| b ||| {line} ||| 2.5", LIST, 2)
    assert reader.row(entry) == [2.5, *(float(value) for name in values for value in other[name])]


@examples(150)
@given(st.sampled_from(SCRAPS).filter(lambda text: not text.isdigit()), st.sampled_from(["", "1"]))
def test_what_is_no_id_is_told(scrap: str, digit: str) -> None:
    text = f"{digit}{scrap}"
    if "|||" in text or not text.strip(" ") or text.strip(" ").isdigit():
        return
    with pytest.raises(UserError, match=r"^list:3: "):
        parse_entry(f"{text} ||| a", LIST, 3)
