"""A translated chunk counts its own part of the work, and that is all that it counts."""

from pathlib import Path

import torch

from s2s_cli.decoding.beam import Hypothesis
from s2s_cli.decoding.config import BeamConfig
from s2s_cli.decoding.stream import share_lines
from s2s_cli.decoding.translate import ChunkTranslator, Counts, LineChunk, count_results
from s2s_cli.inference.replicas import Replicas
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
