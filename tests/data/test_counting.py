"""Counting words and choosing the most frequent."""

import random
from collections import Counter
from pathlib import Path

import pytest

from s2s_cli.data.counting import count_words, most_frequent
from s2s_cli.errors import UserError


def test_counts_equal_a_plain_count(tmp_path: Path) -> None:
    generator = random.Random(1)
    lines = [
        generator.choices(["a", "b\u00a0c", "d\u2028", "|||", "<unk>"], k=7) for _ in range(50)
    ]
    path = tmp_path / "text"
    path.write_bytes("".join(" ".join(line) + "\n" for line in lines).encode())
    expected: dict[str, int] = {}
    for line in lines:
        for word in line:
            expected[word] = expected.get(word, 0) + 1
    assert count_words(path) == expected


@pytest.mark.parametrize("text", ["a b\n\nc\n", "a  b\n", "a b \n"])
def test_blank_lines_and_doubled_spaces_are_refused_with_their_line(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "train.en"
    path.write_text(text)
    with pytest.raises(UserError, match=r"train\.en:[12]: .*s2s prep"):
        count_words(path)


def test_the_size_counts_both_symbols_and_ties_go_by_code_point() -> None:
    counts = Counter({"é": 2, "z": 2, "Z": 2, "once": 1, "most": 9, "\U0001f600": 2, "\uffee": 2})
    assert most_frequent(counts, 7, 1).words == ["most", "Z", "z", "é", "\uffee"]
    assert len(most_frequent(counts, 7, 1)) == 7
    assert most_frequent(counts, 3, 1).words == ["most"]


def test_rare_words_are_left_out() -> None:
    counts = Counter({"a": 3, "b": 2, "c": 1})
    assert most_frequent(counts, 100, 2).words == ["a", "b"]
    assert most_frequent(counts, 100, 2).counts == [3, 2]
    assert len(most_frequent(counts, 100, 9)) == 2
