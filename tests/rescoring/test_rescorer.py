"""Lists of any length: no more of one is read than is scored together."""

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from s2s_cli.rescoring.rescorer import LONGEST_RUN, SourcedList
from s2s_cli.rescoring.winners import Average, winners
from s2s_cli.text.nbest import parse_entry

LIST = Path("list")


def test_a_segment_without_end_comes_in_runs() -> None:
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield "0 ||| un"

    with patch("s2s_cli.text.nbest.read_lines", return_value=endless()):
        segments = SourcedList(LIST, ["one"]).segments()
        for runs in range(1, 4):
            index, entries = next(segments)
            assert (index, len(entries)) == (0, LONGEST_RUN)
            assert entries[0].number == (runs - 1) * LONGEST_RUN + 1
            assert taken <= runs * LONGEST_RUN + 1


def test_of_equal_ones_in_several_runs_the_first_wins() -> None:
    totals = [-3.0, -1.0, -2.0, -1.0, -1.0, -4.0]
    entries = [
        parse_entry(f"0 ||| {number} ||| ||| {total}", LIST, number)
        for number, total in enumerate(totals, 1)
    ]
    for size in range(1, 7):
        runs = [
            (1, entries[start : start + size], [0.0] * len(entries[start : start + size]))
            for start in range(0, 6, size)
        ]
        assert winners(runs, 3, Average(0.0, LIST)) == [None, entries[1], None]
