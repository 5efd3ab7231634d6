"""Distributions from exponentials that the product gives, against the softmax in float64."""

import pytest
import torch
from torch import Tensor

from s2s_cli.model import packed
from s2s_cli.search import output
from s2s_cli.search.blocks import blocks
from s2s_cli.search.distribution import Distribution, OfLogits
from s2s_cli.search.output import OfPowers, OutputLayer

CELLS, WORDS = 24, 75
PRECISIONS = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])


def rounding(dtype: torch.dtype) -> float:
    """How far a log probability may lie from the exact one of rounded weights and states."""
    if dtype == torch.float32:
        return 2e-5
    # An exponential is rounded, or a logit of up to 20.
    return 8e-3 if packed.squashes(dtype, "cpu") else 0.1


def drawn(*size: int, seed: int, scale: float = 1.0) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed)) * scale


class Case:
    """An output layer, a few hidden states, and what is true of them."""

    def __init__(self, dtype: torch.dtype, rows: int = 40) -> None:
        weight, bias = drawn(WORDS, CELLS, seed=1), drawn(WORDS, seed=2)
        bias[7] = -200.0  # below what can be told from 0
        self.hidden = drawn(rows, CELLS, seed=3).to(dtype)
        # Logits of a few hundred: their exponentials are beyond any usual offset.
        self.hidden[[4, 5]] *= torch.tensor([[60.0], [-60.0]], dtype=dtype)
        self.layer = OutputLayer(weight, bias, dtype)
        self.layer.centre(self.hidden[:4])
        logits = self.hidden.double() @ weight.to(dtype).double().T + bias.double()
        self.expected = logits.log_softmax(1)

    def log_probs(self, hidden: Tensor) -> Tensor:
        """[rows, words], in the blocks that search would make."""
        parts = []
        for block in blocks(len(hidden), self.layer.product):
            following = self.layer.softmax(hidden[block])
            every = torch.arange(len(hidden[block]))[:, None], torch.arange(WORDS)
            parts.append(following.log_probs(*every))
        return torch.cat(parts)


@PRECISIONS
def test_log_probabilities_are_exact_for_likely_lost_and_extreme_words(dtype: torch.dtype) -> None:
    case = Case(dtype)
    following = case.layer.softmax(case.hidden)
    if packed.squashes(dtype, "cpu"):
        assert isinstance(following, OfPowers)
        assert (following.powers[:, 7] == 0).all()  # lost, and found again
    got = case.log_probs(case.hidden)
    usual = torch.tensor([row for row in range(40) if row not in (4, 5)])
    torch.testing.assert_close(
        got[usual], case.expected[usual], atol=rounding(dtype), rtol=rounding(dtype) / 100
    )
    # Of logits of hundreds, the sum in the product is rounded more coarsely.
    extreme = 2.0 if dtype == torch.bfloat16 else 2e-4
    torch.testing.assert_close(got[4:6], case.expected[4:6], atol=extreme, rtol=0)


@PRECISIONS
def test_a_row_has_the_same_log_probabilities_in_any_company(dtype: torch.dtype) -> None:
    case = Case(dtype, rows=300)
    together = case.log_probs(case.hidden)
    alone = torch.cat([case.log_probs(row[None]) for row in case.hidden])
    assert torch.equal(together, alone)


@PRECISIONS
def test_ranking_and_probabilities_are_those_of_the_softmax(dtype: torch.dtype) -> None:
    case = Case(dtype)
    following = case.layer.softmax(case.hidden)
    probabilities = following.probabilities()[:, :WORDS]
    atol = 1e-6 if dtype == torch.float32 else 4e-3
    usual = torch.tensor([row for row in range(40) if row not in (4, 5)])
    torch.testing.assert_close(
        probabilities[usual].double(), case.expected.exp()[usual], atol=atol, rtol=0
    )
    ranking = following.ranking()
    assert (ranking >= 0).all()
    assert (ranking[:, WORDS:] == 0).all()  # what fills the last group of words up
    if dtype == torch.float32:
        assert torch.equal(ranking[:4].argmax(1), case.expected[:4].argmax(1))


def test_several_layers_are_averaged() -> None:
    case = Case(torch.float32)
    other = OutputLayer(drawn(WORDS, CELLS, seed=8), drawn(WORDS, seed=9), torch.float32)
    other.centre(case.hidden[:4])
    of_other = other.softmax(case.hidden)
    following = Distribution([case.layer.softmax(case.hidden), of_other])
    words = torch.arange(WORDS)
    rows = torch.arange(4)[:, None]
    expected = (case.expected[:4].exp() + of_other.log_probs(rows, words).exp()) / 2
    torch.testing.assert_close(
        following.log_probs(rows, words)[..., 0], expected.log(), atol=1e-5, rtol=1e-6
    )
    ranking = following.ranking()[:4, :WORDS].double() / 2
    torch.testing.assert_close(ranking, expected, atol=1e-6, rtol=0)


@PRECISIONS
def test_without_squashing_the_numbers_are_the_same(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "squashes", lambda *_: False)
    case = Case(dtype)
    assert isinstance(case.layer.softmax(case.hidden), OfLogits)
    usual = torch.tensor([row for row in range(40) if row not in (4, 5)])
    atol = 2e-5 if dtype == torch.float32 else 0.1
    got = case.log_probs(case.hidden)[usual]
    got[:, 7], expected = 0, case.expected[usual].clone()
    expected[:, 7] = 0
    torch.testing.assert_close(got, expected, atol=atol, rtol=0)
