"""Products in blocks: every row once, and the same bits in any block."""

import pytest
import torch
from torch import Tensor

from s2s_cli.model.products import (
    BLOCK_SIZES,
    FULL_ENOUGH,
    PRODUCT_ELEMENTS,
    SMALL,
    Product,
    blocks,
)


def product(dtype: torch.dtype = torch.float32) -> Product:
    generator = torch.Generator().manual_seed(2)
    weight = torch.randn(75, 33, generator=generator).to(dtype)
    return Product(weight, torch.randn(75, generator=generator))


@pytest.mark.parametrize("rows", [0, 1, 16, 17, 47, 49, 64, 100, 383, 385, 512, 600, 1500])
def test_blocks_cover_every_row_once_and_are_of_few_sizes(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_rows = product()
    assert [of_rows.is_bit_exact(size) for size in BLOCK_SIZES]  # tried here, not below
    cut = blocks(rows, of_rows)
    assert [row for block in cut for row in range(rows)[block]] == list(range(rows))
    computed: list[int] = []
    packed = of_rows.packed

    def counting(block: Tensor) -> Tensor:
        computed.append(len(block))
        return packed(block)

    monkeypatch.setattr(of_rows, "packed", counting)
    for block in cut:
        of_rows(torch.zeros(rows, 33)[block])
    assert set(computed) <= set(BLOCK_SIZES)
    assert sum(computed) <= max(rows + SMALL, rows / FULL_ENOUGH)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_row_has_the_same_bits_in_every_block(dtype: torch.dtype) -> None:
    of_rows = product(dtype)
    rows = torch.randn(700, 33, generator=torch.Generator().manual_seed(1)).to(dtype)
    together = torch.cat([of_rows(rows[block]) for block in blocks(700, of_rows)])
    alone = torch.cat([of_rows(row[None]) for row in rows])
    assert torch.equal(together, alone)
    expected = rows.double() @ of_rows_weight(dtype).T + of_rows_bias()
    torch.testing.assert_close(together.double(), expected, atol=0.2, rtol=0.01)


def of_rows_weight(dtype: torch.dtype) -> torch.Tensor:
    return torch.randn(75, 33, generator=torch.Generator().manual_seed(2)).to(dtype).double()


def of_rows_bias() -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    torch.randn(75, 33, generator=generator)
    return torch.randn(75, generator=generator).double()


def test_where_large_blocks_give_other_bits_all_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    other = product()
    packed = other.packed
    monkeypatch.setattr(other, "packed", lambda rows: packed(rows) + len(rows) * 1e-3)
    assert {block.stop - block.start for block in blocks(160, other)} == {SMALL}
    assert blocks(160, product(), other) == blocks(160, other)


def test_a_block_of_a_large_vocabulary_stays_small() -> None:
    wide = Product(torch.zeros(80_000, 2))
    cut = blocks(1000, wide)
    assert SMALL < max(block.stop - block.start for block in cut) <= PRODUCT_ELEMENTS // wide.size
