"""Words side by side: which differ, which of them the reference has, and how they were spaced."""

import pytest

from s2s_cli.report.contrasts import contrast
from s2s_cli.report.words import differing_words, in_reference, runs, shares, spaces_after


def test_words_that_the_other_has_not_in_that_order_differ() -> None:
    one, other = (line.split(" ") for line in ("le chat noir dort", "le chien dort là"))
    assert differing_words(one, other) == ({1, 2}, {1, 3})
    assert differing_words(one, one) == (set(), set())
    assert differing_words([], one) == (set(), {0, 1, 2, 3})
    # difflib's own heuristics would take no word of these for the same.
    assert differing_words(["de"] * 300, ["de"] * 301)[0] == set()


def test_a_word_of_the_reference_counts_once_and_shared_words_first() -> None:
    lines = "le chat et le chat", "un chat et le chien"
    words, reference = (line.split(" ") for line in lines)
    assert in_reference(words, reference, {0, 1, 3, 4}) == {0, 1}
    assert in_reference(words, reference, {3, 4}) == set()


@pytest.mark.parametrize(
    ("words", "line", "expected"),
    [
        (["l'", "homme", "dort", "."], "l'homme dort.", [False, True, False, True]),
        (["a", "b"], " a\u00a0 b ", [True, True]),
        (["我", "们"], "我们", [False, True]),
        (["x", "&", "y"], "x&amp;y", [True, True, True]),
        ([], "", []),
    ],
)
def test_spaces_are_those_of_the_line(words: list[str], line: str, expected: list[bool]) -> None:
    assert spaces_after(words, line) == expected


def test_pieces_have_shares_in_the_words_that_they_are_part_of() -> None:
    assert shares(["cat", "s"], ["ca", "ts"]) == [{0: 1.0}, {0: 0.5, 1: 0.5}]
    assert shares(["a b"], ["a", "", "b"]) == [{0: 1.0}, {}, {0: 1.0}]
    assert shares(["cat"], ["dogs"]) is None


def test_neighbours_of_one_mark_are_one_run() -> None:
    assert list(runs(["", "a", "a", "b"])) == [
        ("", range(1)),
        ("a", range(1, 3)),
        ("b", range(3, 4)),
    ]
    assert list(runs([])) == []


def test_the_largest_differences_come_first_and_no_sentence_twice() -> None:
    scores = [50.0, 10.0, 80.0, 10.0, 30.0], [60.0, 70.0, 80.0, 70.0, 0.0]
    texts = ["a", "b", "c", "b", "e"], ["f", "g", "c", "g", "i"]
    found = contrast(("one", "two"), scores, texts, 2)
    assert (found.better, found.worse, found.equal) == (3, 1, 1)
    assert (found.ahead, found.behind) == ([1, 0], [4])
