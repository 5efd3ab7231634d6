"""Products of 8-bit integers, against NumPy's exact ones."""

import numpy as np
import pytest
import torch
from torch import Tensor

from s2s_cli.model import int8
from s2s_cli.model.int8 import (
    INPUT_LEVELS,
    INT8_LIBRARIES,
    WEIGHT_LEVELS,
    Int8Library,
    Int8Linear,
    quantise,
    scaled_product,
)
from s2s_cli.model.products import Product, in_blocks

# Rows, terms, results: those of kernels, and none of theirs.
SHAPES = [(1, 1, 1), (16, 64, 32), (1, 257, 33), (5, 66, 31), (48, 512, 130), (2, 4500, 7)]


def integers(rows: int, columns: int, most: int, seed: int) -> Tensor:
    size, generator = (rows, columns), torch.Generator().manual_seed(seed)
    return torch.randint(-most, most + 1, size, generator=generator)


def exact(rows: Tensor, weight: Tensor) -> Tensor:
    """Integer sums, rounded to fp32 once."""
    return torch.from_numpy((rows.numpy() @ weight.numpy().T).astype(np.float32))


@pytest.mark.parametrize("values", ["drawn", "largest", "alternating"])
@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("library", INT8_LIBRARIES)
def test_every_library_adds_up_exactly(
    library: Int8Library, size: tuple[int, int, int], values: str
) -> None:
    if not int8.is_exact(library):
        pytest.skip(f"{library}: not on this processor, or not in this torch")
    count, terms, results = size
    rows, weight = integers(count, terms, INPUT_LEVELS, 1), integers(results, terms, 127, 2)
    if values != "drawn":
        rows, weight = rows.sign() * INPUT_LEVELS, weight.sign() * WEIGHT_LEVELS
        rows[:, ::2] = INPUT_LEVELS
        weight[:, ::2] = WEIGHT_LEVELS
    if values == "largest":
        rows, weight = rows.abs(), -weight.abs()
    found = scaled_product(library, weight.to(torch.int8), torch.ones(results))(rows.float())
    assert torch.equal(found, exact(rows, weight))


def test_one_that_always_works_is_exact_and_one_that_fails_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert int8.is_exact("floats")
    monkeypatch.setattr(int8, "thread_seconds_of", lambda library: INT8_LIBRARIES.index(library))
    monkeypatch.setattr(int8, "is_exact", lambda library: library == "floats")
    assert int8.fastest_library.__wrapped__() == "floats"


def test_a_library_that_saturates_is_not_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    def saturating(library: Int8Library, weight: Tensor, scales: Tensor) -> int8.ScaledProduct:
        whole = scaled_product("floats", weight, torch.ones_like(scales))
        return lambda rows: whole(rows).clamp(-32768, 32767).mul_(scales)

    monkeypatch.setattr(int8, "scaled_product", saturating)
    assert not int8.is_exact.__wrapped__("int_mm")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_products_are_near_those_of_numbers(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(75, 130, generator=generator).to(dtype)
    bias = torch.randn(75, generator=generator).to(dtype)
    rows = torch.randn(700, 130, generator=generator).to(dtype)
    rows[3] = 0
    weight[4] = 0
    found = in_blocks(Product(weight, bias, torch.int8), rows)
    assert found.dtype == dtype
    expected = rows @ weight.T
    assert float((found - bias - expected).norm() / expected.norm()) < 0.02
    assert torch.equal(found[3], bias)
    assert torch.equal(found[:, 4], bias[4].expand(700))


def test_a_row_has_the_same_bits_in_any_number_of_rows() -> None:
    generator = torch.Generator().manual_seed(3)
    product = Int8Linear(torch.randn(77, 51, generator=generator), torch.zeros(77))
    rows = torch.randn(300, 51, generator=generator)
    together = product(rows)
    for count in (1, 7, 50):
        assert torch.equal(torch.cat([product(part) for part in rows.split(count)]), together)
    assert product(rows[:0]).shape == (0, 77)


def test_rows_are_rounded_to_the_nearest_of_their_levels() -> None:
    rows = torch.tensor([[0.5, -1.0, 0.25], [0.8e-20, 2e-20, 0.0], [0.0, 0.0, 0.0]])
    found, scales = quantise(rows, 63)
    assert found.tolist() == [[32, -63, 16], [25, 63, 0], [0, 0, 0]]
    assert float((found * scales - rows).abs().max()) <= 0.501 / 63


def test_what_is_no_number_stays_none() -> None:
    product = Int8Linear(torch.ones(5, 4))
    rows = torch.ones(3, 4)
    rows[0, 1], rows[1, 2] = torch.nan, torch.inf
    assert product(rows).isfinite().all(1).tolist() == [False, False, True]
