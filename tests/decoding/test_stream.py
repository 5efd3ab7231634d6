"""A stream in chunks: as lines arrive, each with its number, no worker idle, no second twice."""

import random
import threading
from collections.abc import Iterator

import pytest

from s2s_cli.decoding.config import BeamConfig
from s2s_cli.decoding.stream import (
    BusyTime,
    batch_lines,
    default_batch_size,
    lookahead,
    share_lines,
)
from s2s_cli.decoding.translate import Counts


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_pieces_are_the_stream_and_every_worker_has_one(workers: int) -> None:
    draw = random.Random(1)
    lines = ["x" * draw.randrange(100) for _ in range(3000)]
    ahead = workers * lookahead(default_batch_size(BeamConfig()))
    chunks = [lines[start : start + ahead] for start in range(0, len(lines), ahead)]
    got = list(share_lines(chunks, workers))
    assert [line for piece in got for line in piece.lines] == lines
    assert len(got) == len(chunks) * workers
    for piece in got:
        assert piece.lines == lines[piece.first : piece.first + len(piece.lines)]
    # Of the last chunk, all have about the same to do.
    sizes = [sum(1 + len(line) for line in piece.lines) for piece in got[-workers:]]
    assert max(sizes) - min(sizes) <= 2 * 100


def test_one_worker_takes_a_chunk_as_it_came() -> None:
    chunks = [["one", "two"], ["three"]]
    assert [piece.lines for piece in share_lines(chunks, 1)] == chunks


def test_time_counts_once_however_many_work() -> None:
    draw = random.Random(2)
    begins = sorted(draw.randrange(1000) for _ in range(100))
    spans = [(begin, begin + draw.randrange(1, 20)) for begin in begins]
    busy = BusyTime()
    for begin, end in spans:
        busy.add(begin, end)
    assert busy.seconds == sum(any(begin <= t < end for begin, end in spans) for t in range(1100))


def test_counts_of_pieces_add_up() -> None:
    counts = Counts()
    for _ in range(2):
        counts.add(Counts(1, 2, 3, 4, 5, 6, 7))
    assert counts == Counts(2, 4, 6, 8, 10, 12, 14)


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
