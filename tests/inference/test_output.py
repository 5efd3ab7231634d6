"""Distributions from exponentials that the product gives, against the softmax in float64."""

import pytest
import torch
from torch import Tensor

from s2s_cli.inference.distribution import Distribution
from s2s_cli.inference.output import FusedExpSoftmax, OutputLayer
from s2s_cli.model.products import blocks, fuses_exp

CELLS, WORDS = 24, 75
# Exponentials where this processor can, logits on all.
WAYS = [
    (way, dtype)
    for way in ("logits", "exponentials")
    for dtype in (torch.float32, torch.bfloat16)
    if way == "logits" or fuses_exp(dtype, "cpu")
]
BOTH_WAYS = pytest.mark.parametrize(("way", "dtype"), WAYS)


def near(way: str, dtype: torch.dtype) -> tuple[float, float]:
    """How far a log probability may lie from that of rounded weights: absolutely, relatively."""
    if dtype == torch.float32:
        return 2e-5, 2e-7
    # An exponential is rounded, or a logit, of which bf16 has 8 bits.
    return (8e-3, 0) if way == "exponentials" else (0.1, 2**-8)


def drawn(*size: int, seed: int, scale: float = 1.0) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed)) * scale


class Case:
    """An output layer, a few hidden states, and what is true of them."""

    def __init__(self, way: str, dtype: torch.dtype, rows: int = 40, words: int = WORDS) -> None:
        weight, bias = drawn(words, CELLS, seed=1), drawn(words, seed=2)
        bias[7] = -200.0  # below what can be told from 0
        self.hidden = drawn(rows, CELLS, seed=3).to(dtype)
        # Logits of a few hundred: their exponentials are beyond any usual offset.
        self.hidden[[4, 5]] *= torch.tensor([[60.0], [-60.0]], dtype=dtype)
        self.layer = OutputLayer(weight, bias, dtype)
        if way == "exponentials":
            self.layer.fuse_exp(weight, bias, self.hidden[:4])
        self.usual = torch.tensor([row for row in range(rows) if row not in (4, 5)])
        logits = self.hidden.double() @ weight.to(dtype).double().T + bias.double()
        self.expected = logits.log_softmax(1)

    def log_probs(self, hidden: Tensor) -> Tensor:
        """[rows, words], in the blocks that search would make."""
        parts = []
        for block in blocks(len(hidden), self.layer.product):
            following = self.layer.softmax(hidden[block])
            every = torch.arange(len(hidden[block]))[:, None], torch.arange(self.expected.shape[1])
            parts.append(following.log_probs(*every))
        return torch.cat(parts)


@BOTH_WAYS
def test_log_probabilities_are_exact_for_likely_lost_and_extreme_words(
    way: str, dtype: torch.dtype
) -> None:
    case = Case(way, dtype)
    following = case.layer.softmax(case.hidden)
    assert isinstance(following, FusedExpSoftmax) == (way == "exponentials")
    if isinstance(following, FusedExpSoftmax):
        assert (following.powers[:, 7] == 0).all()  # lost, and found again
    got, expected = case.log_probs(case.hidden), case.expected
    atol, rtol = near(way, dtype)
    torch.testing.assert_close(got[case.usual], expected[case.usual], atol=atol, rtol=rtol)
    # Of logits of hundreds, the sum in the product is rounded more coarsely.
    coarse = 4.0 if dtype == torch.bfloat16 else 2e-4
    torch.testing.assert_close(got[4:6], expected[4:6], atol=coarse, rtol=0)


@BOTH_WAYS
def test_a_row_has_the_same_log_probabilities_in_any_company(way: str, dtype: torch.dtype) -> None:
    """Of more numbers than torch would add up in one thread."""
    case = Case(way, dtype, rows=300, words=400)
    together = case.log_probs(case.hidden)
    alone = torch.cat([case.log_probs(row[None]) for row in case.hidden])
    assert torch.equal(together, alone)


@BOTH_WAYS
def test_ranking_and_probabilities_are_those_of_the_softmax(way: str, dtype: torch.dtype) -> None:
    case = Case(way, dtype)
    probabilities = case.layer.softmax(case.hidden).probabilities()[case.usual, :WORDS]
    expected = case.expected.exp()
    torch.testing.assert_close(
        probabilities.double(), expected[case.usual], atol=near(way, dtype)[0], rtol=0
    )
    ranking = case.layer.softmax(case.hidden).ranking()
    assert (ranking >= 0).all()
    assert (ranking[:, WORDS:] == 0).all()  # what fills the last group of words up
    best = expected[case.usual].gather(1, ranking[case.usual].argmax(1, keepdim=True))
    rounded = 1e-5 if dtype == torch.float32 else 0.1
    assert (best.squeeze(1) > (1 - rounded) * expected[case.usual].amax(1)).all()


@pytest.mark.parametrize("way", [way for way, dtype in WAYS if dtype == torch.float32])
def test_several_layers_are_averaged(way: str) -> None:
    case = Case(way, torch.float32)
    other = OutputLayer(drawn(WORDS, CELLS, seed=8), drawn(WORDS, seed=9), torch.float32)
    members = [case.layer.softmax(case.hidden), other.softmax(case.hidden)]
    rows, words = torch.arange(4)[:, None], torch.arange(WORDS)
    expected = (case.expected[:4].exp() + members[1].log_probs(rows, words).exp()) / 2
    following = Distribution(members)
    torch.testing.assert_close(
        following.log_probs(rows, words)[..., 0], expected.log(), atol=1e-5, rtol=1e-6
    )
    ranking = following.ranking()[:4, :WORDS].double() / 2
    torch.testing.assert_close(ranking, expected, atol=1e-6, rtol=0)
