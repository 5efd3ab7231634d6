"""Lines are handed on when a chunk is full, when they stop coming, and before an error."""

import threading
from collections.abc import Iterator

import pytest

from s2s_cli.decoding.stream import batch_lines


def test_chunks_are_full_and_nothing_is_lost() -> None:
    lines = [str(number) for number in range(10)]
    got = list(batch_lines(lines, 4, interactive=False))
    assert [line for chunk in got for line in chunk] == lines
    assert max(map(len, got)) <= 4


def test_no_lines_no_chunks() -> None:
    assert list(batch_lines([], 4, interactive=False)) == []


def test_a_line_does_not_wait_for_the_next_one() -> None:
    """The first chunk comes out while the source of lines is still waiting."""
    answered = threading.Event()

    def conversation() -> Iterator[str]:
        yield "question"
        assert answered.wait(30)
        yield "thanks"

    arriving = batch_lines(conversation(), 100, interactive=True)
    assert next(arriving) == ["question"]
    answered.set()
    assert list(arriving) == [["thanks"]]


def test_an_error_comes_after_the_lines_before_it() -> None:
    def broken() -> Iterator[str]:
        yield "one"
        yield "two"
        raise ValueError("three")

    got: list[str] = []
    with pytest.raises(ValueError, match="three"):
        for chunk in batch_lines(broken(), 100, interactive=False):
            got += chunk
    assert got == ["one", "two"]
