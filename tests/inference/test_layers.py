"""The layers of search against those of ``torch.nn``, and their table of words."""

from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence

from s2s_cli.inference import layers as module
from s2s_cli.inference.layers import Layers, WordTable
from s2s_cli.model.cells import EXPONENTIALS, lstm_step
from s2s_cli.model.config import Cell
from s2s_cli.model.recurrent import recurrent_layers
from s2s_cli.model.sequences import States

WORDS, SIZE, CELLS, LAYERS = 30, 12, 20, 3


def trained() -> tuple[nn.LSTM, Tensor]:
    generator = torch.Generator().manual_seed(3)
    lstm = nn.LSTM(SIZE, CELLS, LAYERS).double().requires_grad_(False)
    for parameter in lstm.parameters():
        parameter.uniform_(-0.8, 0.8, generator=generator)
    return lstm, torch.randn(WORDS, SIZE, generator=generator, dtype=torch.float64)


def words(*size: int) -> Tensor:
    return torch.randint(0, WORDS, size, generator=torch.Generator().manual_seed(4))


def read(lstm: Layers, text: Tensor) -> States:
    state = lstm.zeros(text.shape[1])
    for each in text:
        state = lstm.step(each, state)
    return state


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 2e-6), (torch.bfloat16, 5e-2)]
)
@pytest.mark.parametrize("rows", [1, 16, 17, 140, 250])
def test_states_are_those_of_the_plain_lstm(
    rows: int, dtype: torch.dtype, tolerance: float
) -> None:
    lstm, embedding = trained()
    text = words(9, rows)
    _, (hidden, cell) = lstm(embedding[text])
    exact = torch.promote_types(dtype, torch.float32)
    deep = Layers("lstm", lstm.to(exact), embedding.to(exact), dtype)
    got_hidden, got_cell = map(torch.stack, deep.by_kind(read(deep, text)))
    assert (got_hidden.dtype, got_cell.dtype) == (dtype, exact)
    torch.testing.assert_close(got_hidden.double(), hidden, atol=tolerance, rtol=0)
    torch.testing.assert_close(got_cell.double(), cell, atol=tolerance, rtol=0)


@pytest.mark.parametrize("cell", get_args(Cell))
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_every_cell_computes_what_it_was_trained_as(cell: Cell, dtype: torch.dtype) -> None:
    generator, exact = torch.Generator().manual_seed(3), torch.promote_types(dtype, torch.float32)
    layers = recurrent_layers(cell, SIZE, CELLS, LAYERS, 0.0).to(exact).requires_grad_(False)
    for parameter in layers.parameters():
        parameter.uniform_(-0.4, 0.4, generator=generator)
    embedding, text = torch.randn(WORDS, SIZE, generator=generator).to(exact), words(9, 17)
    _, expected = layers(pack_sequence(list(embedding[text].unbind(1))))
    ours = Layers(cell, layers, embedding, dtype)
    near = {torch.float64: 1e-12, torch.float32: 4e-6, torch.bfloat16: 8e-2}[dtype]
    for kind, states in zip(ours.by_kind(read(ours, text)), expected, strict=True):
        torch.testing.assert_close(torch.stack(kind).to(exact), states, atol=near, rtol=near)


def step(gates: Tensor, cell: Tensor) -> States:
    return lstm_step(gates, cell, None, EXPONENTIALS)


def test_gates_may_be_as_large_as_numbers_are() -> None:
    """Exponentials run over; the functions that are made of them do not."""
    gates = torch.tensor([[-1e30, 1e30, -1e30, -1e30], [1e30, -1e30, 1e30, 1e30]])
    hidden, cell = step(gates, torch.tensor([[5.0], [-3.0]]))
    assert cell.tolist() == [[1.0], [-3.0]]
    torch.testing.assert_close(hidden, torch.tensor([[1.0], [0.0]]).tanh())


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_where_threads_divide_the_work_changes_no_bit(threads: int) -> None:
    """Torch hands out pieces of 32,768 numbers and more, which end in the middle of a row."""
    generator = torch.Generator().manual_seed(5)
    gates = 3 * torch.randn(195, 4 * 1000, generator=generator)
    before = torch.randn(195, 1000, generator=generator)
    usual = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        together = step(gates.clone(), before)
        alone = [step(gates[row, None].clone(), before[row, None]) for row in range(195)]
    finally:
        torch.set_num_threads(usual)
    for one, other in zip(together, zip(*alone, strict=True), strict=True):
        assert torch.equal(one, torch.cat(other))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_neighbours_change_no_bit(dtype: torch.dtype) -> None:
    lstm, embedding = trained()
    deep = Layers("lstm", lstm.float(), embedding.float(), dtype)
    text = words(5, 700)
    together = read(deep, text)
    for rows in (slice(0, 1), slice(120, 140), slice(7, 190), slice(699, 700)):
        alone = read(deep, text[:, rows])
        for one, other in zip(alone, together, strict=True):
            assert torch.equal(one, other[rows])


def test_each_word_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lstm, embedding = trained()
    weights = lstm.all_weights[0]
    inputs = WordTable(embedding, weights[0], weights[2])
    computed: list[int] = []
    product = inputs.product

    def counting(block: Tensor) -> Tensor:
        computed.append(len(block))
        return product(block)

    monkeypatch.setattr(inputs, "product", counting)
    monkeypatch.setattr(counting, "is_bit_exact", product.is_bit_exact, raising=False)
    monkeypatch.setattr(counting, "sizes", product.sizes, raising=False)
    text = words(6, 40)
    for each in text:
        table, places = inputs.find(each)
        got = table[places]
        torch.testing.assert_close(got, embedding[each] @ weights[0].T + weights[2])
    assert sum(computed) == len(text.unique())


def test_a_table_that_is_full_starts_afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TABLE_BYTES", 17 * 4 * CELLS * 8)
    lstm, embedding = trained()
    weights = lstm.all_weights[0]
    inputs = WordTable(embedding, weights[0], weights[2])
    assert len(inputs.entries[0]) == 17
    for each in [*words(30, 8), torch.arange(WORDS)]:  # the last one is more than it holds
        table, places = inputs.find(each)
        got = table[places]
        torch.testing.assert_close(got, embedding[each] @ weights[0].T + weights[2])


def test_threads_may_share_a_table_that_is_often_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TABLE_BYTES", 17 * 4 * CELLS * 8)
    lstm, embedding = trained()
    weights = lstm.all_weights[0]
    inputs = WordTable(embedding, weights[0], weights[2])
    expected = embedding @ weights[0].T + weights[2]

    def looks_up(seed: int) -> bool:
        generator = torch.Generator().manual_seed(seed)
        for _ in range(50):
            chosen = torch.randint(WORDS, (6,), generator=generator)
            table, places = inputs.find(chosen)
            if not torch.allclose(table[places], expected[chosen], rtol=1e-9):
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(looks_up, range(4)))
