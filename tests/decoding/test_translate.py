"""A translated chunk counts its own part of the work, and that is all that it counts."""

import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from s2s_cli.decoding import translate
from s2s_cli.decoding.beam import Hypothesis, search
from s2s_cli.decoding.config import BeamConfig
from s2s_cli.decoding.stream import share_lines
from s2s_cli.decoding.translate import (
    ChunkTranslator,
    Counts,
    LineChunk,
    batches_of,
    count_results,
)
from s2s_cli.inference.replicas import Replicas
from s2s_cli.inference.scorer import Scorer
from s2s_cli.text.vocabulary import UNK

CPU = torch.device("cpu")


def test_pieces_add_up_to_the_whole_in_counts_and_in_arithmetic(tiny_experiment: Path) -> None:
    replicas = Replicas((tiny_experiment / "model",), (CPU,), "fp32", False, 1)
    lines = ["one two three", "", "four", "five " * 1100, "six seven", "eight", "nine ten one two"]
    config = BeamConfig(beam=3, nbest=2, max_length=4)
    model, translator = replicas.load(0), ChunkTranslator(config, 4, measure=True)
    whole = translator.translate(model, LineChunk(0, lines))
    assert (whole.counts.lines, whole.counts.blank, whole.counts.cut) == (7, 1, 1)
    assert whole.counts.flops > 0
    total = Counts()
    text = b""
    for chunk in share_lines([lines[:5], lines[5:]], 2):
        translated = translator.translate(model, chunk)
        total.add(translated.counts)
        text += translated.text
    assert text == whole.text
    assert total == whole.counts
    assert ChunkTranslator(config, 4).translate(model, LineChunk(0, lines)).counts.flops == 0


def test_unknown_words_and_empty_translations_are_counted() -> None:
    """A blank line has a blank translation, which is none that is empty."""
    one, none = (Hypothesis(tokens, -1.0, [-1.0], -1.0, at_limit=False) for tokens in ([5], []))
    counts = count_results([[2, UNK, UNK], [], [3], [4]], [[one], [], [none, one], []])
    assert (counts.unknown, counts.empty, counts.blank) == (2, 2, 1)
    assert (counts.source_words, counts.target_words) == (5, 1)


def test_where_memory_runs_out_sentences_are_searched_in_parts(
    tiny_experiment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Replicas((tiny_experiment / "model",), (CPU,), "fp32", False, 1).load(0)
    translator, chunk = ChunkTranslator(BeamConfig(), 8), LineChunk(0, ["one two", "three"] * 8)
    whole = translator.translate(model, chunk)
    sizes = list[int]()

    def limited(scorer: Scorer, sources: list[list[int]], config: BeamConfig, **others: Any) -> Any:
        sizes.append(len(sources))
        if len(sources) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return search(scorer, sources, config, **others)

    monkeypatch.setattr(translate, "search", limited)
    assert translator.translate(model, chunk).text == whole.text
    assert sizes == [8, 4, *([2] * 8)], "what fits is remembered"
    assert capsys.readouterr().err.count("in parts") == 1


def test_threads_change_no_byte_and_no_count(
    tiny_experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Replicas((tiny_experiment / "model",), (CPU,), "fp32", False, 1).load(0)
    lines = ["one two three", "", "four", "six seven", "eight", "nine ten one two", "one"] * 3
    translator = ChunkTranslator(BeamConfig(beam=3, nbest=2, max_length=4), 4, measure=True)
    alone = translator.translate(model, LineChunk(0, lines))
    threads = set[int]()

    def watched(*arguments: Any, **others: Any) -> Any:
        threads.add(threading.get_ident())
        return search(*arguments, **others)

    monkeypatch.setattr(translate, "search", watched)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    together = translator.translate(model, LineChunk(0, lines))
    assert together.text == alone.text
    assert together.counts == alone.counts
    assert threading.get_ident() not in threads


@pytest.mark.parametrize(
    ("lengths", "size", "threads", "expected"),
    [
        ([9, 1, 1, 1, 1, 1, 1, 1, 1, 1], 20, 1, [10]),
        ([9, 1, 1, 1, 1, 1, 1, 1, 1, 1], 20, 2, [1, 9]),
        ([1] * 10, 4, 2, [2, 3, 2, 3]),
        ([1] * 10, 1, 2, [1] * 10),
        ([1], 4, 2, [1]),
        ([], 4, 2, []),
    ],
)
def test_batches_are_about_equal_where_there_are_few(
    lengths: list[int], size: int, threads: int, expected: list[int]
) -> None:
    order = list(range(100, 100 + len(lengths)))
    found = batches_of(order, lengths, size, threads)
    assert [each for batch in found for each in batch] == order
    assert [len(batch) for batch in found] == expected
