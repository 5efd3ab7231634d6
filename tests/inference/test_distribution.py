"""The best words of a row, and log probabilities, against the plain formulas."""

import math

import pytest
import torch
from torch import Tensor

from s2s_cli.inference.distribution import MASKED, Distribution, LogitsSoftmax, top


def drawn(kind: str, vocabulary: int, dtype: torch.dtype) -> Tensor:
    generator = torch.Generator().manual_seed(6)
    match kind:
        case "few values":  # full of ties, within groups and between them
            return torch.randint(0, 6, (40, vocabulary), generator=generator).to(dtype) / 8
        case "ruled out":
            values = torch.full((40, vocabulary), MASKED, dtype=dtype)
            values[:, [7, 500, 900]] = 1.0
            return values
        case _:
            return torch.randn(40, vocabulary, generator=generator).mul_(4).softmax(1).to(dtype)


@pytest.mark.parametrize("width", [1, 3, 7, 14, 15, 50, 992])
@pytest.mark.parametrize("kind", ["few values", "ruled out", "many values"])
@pytest.mark.parametrize("vocabulary", [992, 1003])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_top_is_the_start_of_a_full_ranking(
    dtype: torch.dtype, vocabulary: int, kind: str, width: int
) -> None:
    values = drawn(kind, vocabulary, dtype)
    got, ids = top(values, width)
    for row, line in enumerate(values.tolist()):
        ranked = sorted(range(vocabulary), key=lambda index: (-line[index], index))[:width]
        assert ids[row].tolist() == ranked
        assert got[row].tolist() == [line[index] for index in ranked]


@pytest.mark.parametrize("members", [1, 3])
def test_log_probabilities_are_those_of_the_softmax(members: int) -> None:
    generator = torch.Generator().manual_seed(5)
    logits = [torch.randn(9, 50, generator=generator).double() * 4 for _ in range(members)]
    probabilities = torch.stack([each.softmax(1) for each in logits])
    rows, words = torch.arange(9)[:, None], torch.arange(50)
    got = Distribution([LogitsSoftmax(each) for each in logits]).log_probs(rows, words)
    torch.testing.assert_close(got[..., 0], probabilities.mean(0).log())
    torch.testing.assert_close(got[..., 1:].movedim(2, 0), probabilities.log())


def test_the_ranking_is_that_of_the_mean_probability() -> None:
    generator = torch.Generator().manual_seed(5)
    logits = [torch.randn(9, 50, generator=generator) * 4 for _ in range(3)]
    mean = torch.stack([each.double().softmax(1) for each in logits]).mean(0)
    following = Distribution([LogitsSoftmax(each) for each in logits])
    assert torch.equal(following.ranking().argsort(1), mean.argsort(1))


def test_the_improbable_keeps_its_logarithm() -> None:
    """Below what a probability in fp32 can be; -inf stays that, for all members or for some."""
    one = torch.tensor([[0.0, -300.0, -500.0, -math.inf]])
    other = torch.tensor([[0.0, -300.0, -math.inf, -math.inf]])
    got = Distribution([LogitsSoftmax(one), LogitsSoftmax(other)]).log_probs(
        torch.zeros(4, dtype=torch.long), torch.arange(4)
    )
    assert got[:, 0].tolist() == [0.0, -300.0, -500.0 - math.log(2), -math.inf]
    assert got[:, 2].tolist() == [0.0, -300.0, -math.inf, -math.inf]
