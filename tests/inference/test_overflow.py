"""Weights that are finite and too large: refused in a sentence, by models of every shape."""

import math
from typing import Any

import pytest
import torch
from variants import shape

from s2s_cli.decoding.beam import search
from s2s_cli.decoding.config import BeamConfig
from s2s_cli.errors import UserError
from s2s_cli.inference.ensemble import Ensemble
from s2s_cli.inference.scorer import ModelScorer, Scorer
from s2s_cli.model.config import Precision, Shape
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.rescoring.prefix_tree import score_lists

PLAIN = Shape(11, 9, layers=2, hidden_size=6, embedding_size=5)
SOURCES = [[3, 5], [4, 10, 2, 6, 9]]
# All weights, those of attention, or those of the encoder.
PARTS = ["", "attention", "encoder"]


def model(of: Shape, large: float, part: str = "", seed: int = 1) -> Seq2Seq:
    """One whose weights are small but for those of ``part``, of which most are ±``large``."""
    made = Seq2Seq(of).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    made.initialise(0.5, generator)
    for name, values in made.named_parameters():
        if part in name:
            values.mul_(4).round_().clamp_(-1, 1).mul_(large)
    return made


def scores(scorer: Scorer) -> list[float]:
    """All that search and rescoring make of a model."""
    found = search(scorer, SOURCES, BeamConfig(beam=4, nbest=3))
    assert all(found)
    made = [each.log_prob for line in found for each in line]
    lists = [(source, [[2, 8], [1, 7, 3], []]) for source in SOURCES]
    return made + [score for line in score_lists(scorer, lists) for score in line]


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("plain", "fp32"),
        ("plain", "bf16"),
        ("plain", "int8"),
        ("rnn", "fp32"),
        ("peeky-gru-concat", "fp32"),
        ("dot", "bf16"),
        ("additive", "fp32"),
        ("feeding-all", "fp32"),
        ("feeding-all", "int8"),
    ],
)
def test_scores_are_finite_or_refused(name: str, precision: Precision) -> None:
    of = PLAIN if name == "plain" else shape(name)
    for part in PARTS:
        try:
            scorer = ModelScorer(model(of, 3e38, part), precision=precision, origin="there")
            assert all(map(math.isfinite, scores(scorer)))
        except UserError as error:
            assert str(error).startswith("there: its weights are too large")
    with pytest.raises(UserError, match="too large"):
        scores(ModelScorer(model(of, 3e38), precision=precision))


def test_a_word_of_no_probability_at_all_is_refused_too() -> None:
    """Its logit is beyond what a number can hold, and those of all others are not."""
    large: Any = model(PLAIN, 1.0)
    large.softmax.weight[0], large.softmax.bias[0] = 0.0, -3e38
    with pytest.raises(UserError, match="too large"):
        ModelScorer(large)


def test_one_member_of_an_ensemble_is_enough() -> None:
    with pytest.raises(UserError, match=r"^other: its weights"):
        members = [
            ModelScorer(model(PLAIN, 1.0)),
            ModelScorer(model(shape("dot"), 3e38, "decoder"), origin="other"),
        ]
        scores(Ensemble(members))


def test_states_are_refused_likewise() -> None:
    with pytest.raises(UserError, match="too large"):
        ModelScorer(model(PLAIN, 3e38, "encoder")).sentence_vectors(SOURCES)
