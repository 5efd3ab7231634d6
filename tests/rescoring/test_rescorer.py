"""Lists of any length: every entry gets its score, and no more is read than is scored together."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
import torch

from s2s_cli.errors import UserError
from s2s_cli.inference.scorer import ModelScorer
from s2s_cli.model.config import Shape
from s2s_cli.model.parts import BatchParts
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.parallel import Workers
from s2s_cli.rescoring import rescorer as rescorer_module
from s2s_cli.rescoring.prefix_tree import score_lists
from s2s_cli.rescoring.rescorer import (
    LONGEST_RUN,
    ListCounts,
    Part,
    Rescorer,
    Segment,
    SourcedList,
    score_parts,
    stored_scores,
    worker_batches,
)
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
            assert taken <= runs * LONGEST_RUN + 2


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


def a_list(*texts: list[str]) -> list[Segment]:
    """A segment for each of ``texts``, which are its hypotheses."""
    return [
        (index, [parse_entry(f"{index} ||| {text}", LIST, 1) for text in segment])
        for index, segment in enumerate(texts)
    ]


TEXTS = [["b", "a b", "a", "b"], ["c"], ["a", "c", "b", "d", "e", "a"], ["z"], ["x", "y"]]
SOURCES = [f"source {index}" for index in range(len(TEXTS))]


class NumberedWorkers(Workers[None]):
    """Several workers, all of them this process."""

    def __init__(self, number: int) -> None:
        super().__init__(lambda _: None, 0)
        self.number = number

    @property
    def count(self) -> int:
        return self.number


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("limit", [1, 2, 4, 100])
def test_every_entry_gets_the_score_of_its_own_hypothesis(
    limit: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts_seen: list[Part] = []

    def scores(_: None, parts: list[Part]) -> tuple[list[tuple[str, str]], ListCounts]:
        parts_seen.extend(parts)
        assert all(hypotheses == sorted(hypotheses) for _, hypotheses in parts)
        pairs = [(source, text) for source, hypotheses in parts for text in hypotheses]
        return pairs, ListCounts(hypotheses=len(pairs), words=2, unknown=1, flops=5)

    monkeypatch.setattr(rescorer_module, "score_parts", scores)
    monkeypatch.setattr(rescorer_module, "MOST_HYPOTHESES", limit)
    segments = a_list(*TEXTS)
    rescorer: Any = Rescorer(NumberedWorkers(workers), SOURCES)  # type: ignore[arg-type]
    found = list(rescorer.scored(segments))
    assert [(index, entries) for index, entries, _ in found] == segments
    for (_, _, got), source, texts in zip(found, SOURCES, TEXTS, strict=True):
        assert got == [(source, text) for text in texts]
    assert max(len(hypotheses) for _, hypotheses in parts_seen) == min(limit, 6)
    assert len(parts_seen) == sum(-(-len(texts) // limit) for texts in TEXTS)
    assert rescorer.counts.hypotheses == 14
    assert rescorer.counts.flops == 5 * rescorer.counts.unknown > 0
    assert rescorer.counts.words == 2 * rescorer.counts.unknown


def test_a_segment_is_given_back_before_the_next_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescorer_module, "MOST_HYPOTHESES", 4)
    monkeypatch.setattr(
        rescorer_module, "score_parts", lambda _, parts: ([0.0] * 4 * len(parts), ListCounts())
    )
    taken = 0

    def endless() -> Iterator[Segment]:
        nonlocal taken
        while True:
            taken += 1
            yield from a_list(["a", "b", "c", "d"])

    workers: Any = NumberedWorkers(1)
    scored = Rescorer(workers, SOURCES).scored(endless())
    for count in range(1, 4):
        next(scored)
        assert taken == count


def test_workers_get_even_shares_of_what_fits_into_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rescorer_module, "MOST_HYPOTHESES", 3)
    parts = [("", ["a"] * size) for size in (1, 1, 1, 2, 1, 2, 2, 1, 1, 2)]
    batches = [[len(texts) for _, texts in batch] for batch in worker_batches(parts, 2)]
    assert batches == [[1, 1, 1], [2, 1], [2], [2, 1, 1], [2]]
    assert list(worker_batches([], 2)) == []


class Codec:
    """Words are numbers, except for the unknown one."""

    def source_ids(self, line: str) -> list[int]:
        return [int(word) for word in line.split()]

    def target_ids(self, words: list[str]) -> list[int]:
        return [1 if word == "x" else int(word) for word in words]


def test_parts_are_scored_as_lists_and_counted() -> None:
    model = Seq2Seq(Shape(7, 9, 1, 6, 5)).eval().requires_grad_(False)
    model.initialise(0.5, torch.Generator().manual_seed(1))
    scorer = ModelScorer(model)
    parts: list[Part] = [("2 3", ["4 x", "4  5 6"]), ("1", ["x"])]
    lists = [([2, 3], [[4, 1], [4, 5, 6]]), ([1], [[1]])]
    loaded: Any = SimpleNamespace(scorer=scorer, codec=Codec(), parts=BatchParts())
    first, second = score_parts(loaded, parts), score_parts(loaded, parts)
    assert first[0] == [score for scores in score_lists(scorer, lists) for score in scores]
    counts = first[1]
    assert (counts.hypotheses, counts.words, counts.unknown) == (3, 6, 2)
    assert (counts.source_words, counts.source_unknown) == (3, 1)
    assert counts.flops == second[1].flops > 0, "of these parts alone"


def test_scores_of_the_list_itself_are_those_of_the_feature() -> None:
    entries = [parse_entry(f"3 ||| a ||| s2s= {score} b= 7 ||| 1", LIST, 5) for score in (-2, -3)]
    assert list(stored_scores([(0, entries)], "s2s", LIST)) == [(0, entries, [-2.0, -3.0])]
    with pytest.raises(UserError, match="list:5: 0 values of the feature x"):
        list(stored_scores([(0, entries)], "x", LIST))


def test_an_id_without_a_source_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("".join(f"{segment} ||| a\n" for segment in (7, 8, 9)), "utf-8")
    found = SourcedList(path, ["one", "two", "three"], first_id=7)
    assert [index for index, _ in found.segments()] == [0, 1, 2]
    for first_id, number, segment in ((8, 1, 7), (6, 3, 9)):
        sourced = SourcedList(path, ["one", "two", "three"], first_id)
        last = first_id + 2
        with pytest.raises(
            UserError, match=f"list:{number}: id {segment} .* ids {first_id} to {last};"
        ):
            list(sourced.segments())
