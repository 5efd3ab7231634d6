"""N-best lists: every layout is read, and one feature is added without touching the rest."""

import gzip
import random
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from s2s_cli.errors import UserError
from s2s_cli.text.nbest import format_entry, parse_entry, read_nbest, read_segments

LIST = Path("list.txt")

# line, segment, words, total, the line with the feature s2s = -12.5
LAYOUTS = [
    (
        "0||| mr president .  ||| d: 0 lm: -47.2 tm: -36 -58 w: -14 ||| -9.26049",
        (0, ["mr", "president", "."], -9.26049),
        "0||| mr president .  ||| d: 0 lm: -47.2 tm: -36 -58 w: -14 s2s: -12.5 ||| -9.26049",
    ),
    (
        "7 ||| a  b ||| d= 0 -3.3 lm= -47 w= -14 ||| -9",
        (7, ["a", "b"], -9.0),
        "7 ||| a  b ||| d= 0 -3.3 lm= -47 w= -14 s2s= -12.5 ||| -9",
    ),
    (
        "12 ||| a ||| LM0= -3 PhrasePenalty0= 1 ||| -4.5e-1 ||| 0=0 1-2=1 ||| 0-0 1-1 ",
        (12, ["a"], -0.45),
        "12 ||| a ||| LM0= -3 PhrasePenalty0= 1 s2s= -12.5 ||| -4.5e-1 ||| 0=0 1-2=1 ||| 0-0 1-1 ",
    ),
    (
        "3 ||| a ||| LM0= -3 ||| -12.1 |||  ||| ",
        (3, ["a"], -12.1),
        "3 ||| a ||| LM0= -3 s2s= -12.5 ||| -12.1 |||  ||| ",
    ),
    ("3 ||| a ||| -3 -1 ||| -4", (3, ["a"], -4.0), "3 ||| a ||| -3 -1 s2s= -12.5 ||| -4"),
    ("3 ||| a ||| lm=-3 w=2 ||| -4", (3, ["a"], -4.0), "3 ||| a ||| lm=-3 w=2 s2s=-12.5 ||| -4"),
    ("3 ||| a ||| LM0= -3 ", (3, ["a"], None), "3 ||| a ||| LM0= -3 s2s= -12.5 "),
    ("3 ||| a ||| LM0= -3 |||", (3, ["a"], None), "3 ||| a ||| LM0= -3 s2s= -12.5 |||"),
    (
        "3 ||| a ||| LM0= -3 |||  ||| 0-0",
        (3, ["a"], None),
        "3 ||| a ||| LM0= -3 s2s= -12.5 |||  ||| 0-0",
    ),
    ("3 ||| a", (3, ["a"], None), "3 ||| a ||| s2s= -12.5"),
    ("3 ||| a ", (3, ["a"], None), "3 ||| a ||| s2s= -12.5"),
    ("3 ||| a |||", (3, ["a"], None), "3 ||| a ||| s2s= -12.5"),
    ("3 ||| a ||| ", (3, ["a"], None), "3 ||| a ||| s2s= -12.5"),
    ("3 ||| a |||  ||| -1", (3, ["a"], -1.0), "3 ||| a ||| s2s= -12.5 ||| -1"),
    ("3 ||| a ||| ||| -1", (3, ["a"], -1.0), "3 ||| a ||| s2s= -12.5 ||| -1"),
    ("3 |||||| lm: 1 ||| -1", (3, [], -1.0), "3 |||||| lm: 1 s2s: -12.5 ||| -1"),
    ("0 |||  ||| LM0= 0 ||| 0", (0, [], 0.0), "0 |||  ||| LM0= 0 s2s= -12.5 ||| 0"),
    (
        "4 ||| oui\u00a0! a\u2028b | : = ||| w= 1 ||| 2",
        (4, ["oui\u00a0!", "a\u2028b", "|", ":", "="], 2.0),
        "4 ||| oui\u00a0! a\u2028b | : = ||| w= 1 s2s= -12.5 ||| 2",
    ),
]


@pytest.mark.parametrize(("line", "fields", "wider"), LAYOUTS)
def test_a_line_of_each_layout(
    line: str, fields: tuple[int, list[str], float | None], wider: str
) -> None:
    entry = parse_entry(line, LIST, 1)
    assert (entry.segment, entry.words, entry.total) == fields
    assert entry.line == line
    assert entry.with_feature("s2s", [-12.5]) == wider


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("no bar at all", "no |||"),
        ("   ", "no |||"),
        ("x ||| a", "id"),
        ("-1 ||| a", "id"),
        (" ||| a", "id"),
        ("1.0 ||| a", "id"),
        ("\u0663 ||| a", "id"),
        ("9" * 5000 + " ||| a", "id"),
        ("1 2 ||| a", "id"),
        ("1 ||| a ||| LM0= 1 ||| nan", "total"),
        ("1 ||| a ||| LM0= 1 ||| -inf", "total"),
        ("1 ||| a ||| LM0= 1 ||| 1e999", "total"),
        ("1 ||| a ||| LM0= 1 ||| 1_0", "total"),
        ("1 ||| a ||| LM0= 1 ||| 0-0 1-1", "total"),
    ],
)
def test_a_malformed_line_is_told_with_its_place(line: str, complaint: str) -> None:
    with pytest.raises(UserError, match=r"^list\.txt:17: ") as caught:
        parse_entry(line, LIST, 17)
    assert complaint in str(caught.value)
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize("packed", [False, True])
def test_segments_come_one_by_one_with_any_ids(tmp_path: Path, packed: bool) -> None:
    text = "5 ||| a\n5 ||| b\n\n9 ||| c\n2 ||| d\n2 ||| e\n\n"
    path = tmp_path / ("list.gz" if packed else "list")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    segments = [
        (key, [(e.number, e.hypothesis) for e in each]) for key, each in read_segments(path)
    ]
    assert segments == [(5, [(1, "a"), (2, "b")]), (9, [(4, "c")]), (2, [(5, "d"), (6, "e")])]


def test_segments_before_a_damaged_line_are_handed_out(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("0 ||| a\n1 ||| b\n0 ||| c\n")
    segments = read_segments(path)
    assert next(segments)[0] == 0
    assert next(segments)[0] == 1
    with pytest.raises(UserError, match=r"list:3: id 0 comes back"):
        next(segments)


def test_an_empty_list_has_no_segments(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"\n\n")
    assert list(read_segments(tmp_path / "list")) == []


def test_what_is_formatted_reads_back() -> None:
    rng = random.Random(3)
    for _ in range(200):
        total, score = -rng.expovariate(1e-2), rng.gauss(0, 1) * 10 ** rng.randint(-9, 9)
        words = rng.choices(
            ["le", "UNK", "|||", "x||||y", "|", "&#124;", "a\u00a0b"], k=rng.randint(0, 6)
        )
        line = format_entry(4, " ".join(words), [("S2S0", [score, total]), ("L0", [1])], total)
        entry = parse_entry(line, LIST, 1)
        assert (entry.segment, entry.words) == (4, words)
        assert entry.total == pytest.approx(total, rel=1e-6)
        labels = line.split(" ||| ")[2].split(" ")
        assert (labels[0], labels[3:]) == ("S2S0=", ["L0=", "1"])
        assert [float(each) for each in labels[1:3]] == pytest.approx([score, total], rel=1e-6)


def test_scores_that_are_not_finite_are_never_written() -> None:
    for bad in (float("nan"), float("-inf")):
        with pytest.raises(ValueError, match="finite"):
            format_entry(0, "a", [], bad)
        with pytest.raises(ValueError, match="finite"):
            parse_entry("0 ||| a", LIST, 1).with_feature("s2s", [bad])


def lists(real_data: Path) -> Iterator[Path]:
    return (
        path
        for path in sorted((real_data / "nbest").iterdir())
        if ".nbest" in path.name and path.suffix != ".src"
    )


def test_real_lists_keep_every_byte_but_the_new_feature(real_data: Path) -> None:
    paths = list(lists(real_data))
    assert len(paths) == 6
    for path in paths:
        raw = path.read_bytes().decode().split("\n")
        entries = list(read_nbest(path))
        assert [entry.line for entry in entries] == [line for line in raw if line]
        for entry in entries:
            wider = entry.with_feature("s2s", [-12.5, 3])
            before, found, after = wider.partition(" s2s= -12.5 3")
            assert found
            assert before + after == entry.line
            assert before.count("|||") == 2
            assert parse_entry(wider, path, 1).total == entry.total


def test_real_lists_agree_with_a_reading_by_pattern(real_data: Path) -> None:
    pattern = re.compile(r"^(\d+) ?\|\|\| (.*?) \|\|\| (.+?)(?: \|\|\| (-?[\d.]+)(?: \|\|\|.*)?)?$")
    for path in lists(real_data):
        matches = [pattern.match(line) for line in path.read_text("utf-8").split("\n") if line]
        expected = [
            (int(match[1]), match[2].strip(), None if match[4] is None else float(match[4]))
            for match in matches
            if match
        ]
        assert len(expected) == len(matches)
        assert [(e.segment, e.hypothesis, e.total) for e in read_nbest(path)] == expected
        sizes = [(key, len(list(group))) for key, group in groupby(each[0] for each in expected)]
        assert [(key, len(each)) for key, each in read_segments(path)] == sizes
