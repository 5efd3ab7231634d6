"""Vectors of phrases against the model itself, and their plane against an eigendecomposition."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from variants import pack

from s2s_cli.errors import UserError
from s2s_cli.inference.replicas import LoadedModel
from s2s_cli.inference.states import phrase_vectors, principal_components
from s2s_cli.model.directory import load_model

CPU = torch.device("cpu")


def data(rows: int, size: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    scale = torch.linspace(3, 0.1, size)
    return torch.randn(rows, size, generator=generator) * scale + 5


@pytest.mark.parametrize(("rows", "size"), [(12, 40), (50, 6), (3, 8)])
def test_the_plane_is_that_of_the_largest_eigenvalues_of_the_covariance(
    rows: int, size: int
) -> None:
    vectors = data(rows, size)
    found = principal_components(vectors)
    covariance = vectors.double().T.cov()
    values, directions = torch.linalg.eigh(covariance)
    assert found.shares == pytest.approx((values[-2:].flip(0) / values.sum()).tolist(), rel=1e-6)
    centred = vectors.double() - vectors.double().mean(0)
    for component in range(2):
        expected = centred @ directions[:, -1 - component]
        got = torch.tensor(found.points, dtype=torch.double)[:, component]
        sign = 1 if bool(torch.dot(expected, got) > 0) else -1
        torch.testing.assert_close(got, sign * expected, atol=1e-5, rtol=0)
        assert got[got.abs().argmax()] > 0, "the sign is fixed"


def test_order_turning_and_shifting_change_nothing_but_the_order() -> None:
    vectors = data(9, 5)
    found = principal_components(vectors)
    order = [4, 2, 8, 0, 1, 3, 7, 6, 5]
    turned, _ = torch.linalg.qr(data(5, 5, seed=2).double())
    other = principal_components(vectors[order].double() @ turned - 3)
    for index, point in zip(order, other.points, strict=True):
        assert point == pytest.approx(found.points[index], abs=1e-9)


def test_two_vectors_lie_on_a_line_and_the_first_decides_the_side() -> None:
    found = principal_components(torch.tensor([[1.0, 0.0], [4.0, 4.0]]))
    assert found.points == [pytest.approx((2.5, 0)), pytest.approx((-2.5, 0))]
    assert found.shares == (1, 0)
    with pytest.raises(UserError, match="one state"):
        principal_components(torch.ones(3, 4))


def test_a_vector_is_the_state_that_the_decoder_starts_from(tiny_experiment: Path) -> None:
    phrases = ["one two three", "four", "three two one", "one zebra"]
    loaded = LoadedModel.of([tiny_experiment / "model"], CPU, "fp32", tokenised=False)
    vectors, unknown = phrase_vectors(loaded, phrases)
    assert unknown == ["one zebra"]
    network, description = load_model(tiny_experiment / "model", CPU)
    assert description.facts.reverse_source
    for phrase, vector in zip(phrases, vectors, strict=True):
        ids = description.source_vocabulary.encode(reversed(phrase.split(" ")))
        hidden, cell = network.encode(pack([ids])).states
        expected = torch.cat([*hidden[:, 0], *cell[:, 0]])
        torch.testing.assert_close(vector, expected, atol=2e-6, rtol=0)
