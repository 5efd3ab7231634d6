"""Products with packed weights beside plain ones."""

import pytest
import torch

from s2s_cli.model import products
from s2s_cli.model.products import PrepackedLinear


@pytest.mark.parametrize("kernel", ["of the library", "plain"])
@pytest.mark.parametrize(
    ("dtype", "near"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 0.05)]
)
@pytest.mark.parametrize("size", [(1, 1), (37, 20), (130, 64)])
def test_products_are_those_of_plain_matrices(
    size: tuple[int, int],
    dtype: torch.dtype,
    near: float,
    kernel: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if kernel == "plain":
        monkeypatch.setattr(products, "packs", lambda *_: False)
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(size, generator=generator).to(dtype)
    bias = torch.randn(size[0], generator=generator)
    product, with_bias = PrepackedLinear(weight), PrepackedLinear(weight, bias.to(exact(dtype)))
    for rows in (1, 2, 31, 64, 200):
        inputs = torch.randn(rows, size[1], generator=generator).to(dtype)
        other = torch.randn(rows, size[0], generator=generator).to(dtype)
        expected = inputs.double() @ weight.double().T
        for found, wanted in (
            (product(inputs), expected),
            (with_bias(inputs), expected + bias.double()),
            (product.multiply_add(inputs, other), expected + other.double()),
        ):
            assert found.dtype == dtype
            scale = float(wanted.abs().max()) or 1.0
            assert float((found.double() - wanted).abs().max()) < near * scale


def exact(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


SQUASHED = [
    (dtype, near)
    for dtype, near in ((torch.float32, 1e-5), (torch.bfloat16, 8e-3))
    if products.fuses_exp(dtype, "cpu")  # on other processors nobody asks for exponentials
]


@pytest.mark.parametrize(("dtype", "near"), SQUASHED)
def test_exponentials_come_from_the_product(dtype: torch.dtype, near: float) -> None:
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(130, 64, generator=generator).to(dtype) / 4
    bias, rows = torch.linspace(-30, 8, 130), torch.randn(33, 64, generator=generator).to(dtype)
    bias[5] = -torch.inf
    powers = PrepackedLinear(weight, bias).exponentials(rows, 30.0).double()
    logits = rows.double() @ weight.double().T + bias.double() - 30
    torch.testing.assert_close(powers, logits.exp(), rtol=near, atol=0)


def test_sums_are_reliable_where_every_summand_is() -> None:
    sums = torch.tensor([0.0, 1e-30, 1e-20, 1e-7, 1e-3, 1.0, torch.inf, torch.nan])
    assert products.reliable(sums).tolist() == [False, False, True, True] + 4 * [False]
