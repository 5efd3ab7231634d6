"""Weights of a model that reads and writes pieces of words, for the words that are shown."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from s2s_cli import Translator
from s2s_cli.model.description import BEST, Description
from s2s_cli.model.directory import save_tensors
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.report.attention import ShownPair, attention_of_pairs
from s2s_cli.text.subwords import places_of_words

GOLDEN = Path(__file__).parents[1] / "golden" / "model-2-bpe"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of pieces, which are learned, with attention and random weights."""
    directory = tmp_path_factory.mktemp("pieces")
    golden = Description.read(GOLDEN)
    shape = replace(golden.shape, attention="dot")
    replace(golden, shape=shape).write(directory)
    network = Seq2Seq(shape).requires_grad_(False)
    network.initialise(0.9, torch.Generator().manual_seed(1))
    save_tensors(directory / BEST, {"model": dict(network.state_dict())})
    return directory


def pair(source: str, target: str) -> ShownPair:
    return ShownPair(source, tuple(source.split()), target, tuple(target.split()))


def test_pieces_of_source_words_are_summed_and_of_target_words_averaged(model: Path) -> None:
    source, target = "four three one", "quatre trois"
    found = Translator(model, device="cpu").attention(source, target)
    found.target.pop()  # <EOS>
    of_source, of_target = places_of_words(found.source), places_of_words(found.target)
    assert len(of_source) > 3 and len(of_target) > 3, "some word has several pieces"
    expected = torch.zeros(2, 3)
    for piece, word, row in zip(found.target, of_target, found.weights[:-1], strict=True):
        share = len(piece.removeprefix("▁")) / len(target.split()[word])
        for place, weight in zip(of_source, row, strict=True):
            expected[word, place] += share * weight
    (weights,) = attention_of_pairs(model, [pair(source, target)], tokenised=False)
    assert weights is not None
    for row, listed in zip(expected.tolist(), weights, strict=True):
        assert listed == pytest.approx({place: 100 * each for place, each in enumerate(row)}, abs=1)


def test_other_words_than_those_that_are_shown_have_no_weights(model: Path) -> None:
    other = ShownPair("one two", ("one", "and", "two"), "un", ("un",))
    pairs = [other, pair("one two", "un deux"), replace(other, source="", source_words=())]
    found = list(attention_of_pairs(model, pairs, tokenised=False))
    assert [each is None for each in found] == [True, False, True]
    assert found[1] == next(iter(attention_of_pairs(model, pairs[1:2], tokenised=False)))
