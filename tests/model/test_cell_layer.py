"""GRU, plain RNN and peephole LSTM beside torch's layers, or autograd through every step."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from s2s_cli.model.cells import cell_step, step_weights
from s2s_cli.model.config import Cell
from s2s_cli.model.packed import PackedLayers
from s2s_cli.model.recurrent import recurrent_layers

SIZE, CELLS, LAYERS = 7, 5, 2
LENGTHS = {"uneven": [4, 9, 1, 9, 6], "one": [3], "equal": [5, 5]}
OTHERS: list[Cell] = ["gru", "rnn", "lstm-peephole"]


def drawn(cell: Cell, dtype: torch.dtype) -> PackedLayers:
    layers = recurrent_layers(cell, SIZE, CELLS, LAYERS, 0.0).to(dtype)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in layers.parameters():
            parameter.uniform_(-0.8, 0.8, generator=generator)
    return layers


def reference(cell: Cell, layers: PackedLayers) -> Callable[..., tuple[Tensor, list[Tensor]]]:
    """The same layers for one sentence [length, size] from states [layers, cells], by autograd."""

    def read(sentence: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        after = [list(each.unbind()) for each in states]
        tops = []
        for vector in sentence:
            row = vector[None]
            for number in range(LAYERS):
                weights = step_weights(cell, layers, number)
                before = tuple(each[number][None] for each in after)
                sums = F.linear(row, weights.input, weights.bias)
                sums = sums + F.linear(before[0], weights.hidden)
                step = cell_step(cell, sums, before, weights.peepholes)
                for each, value in zip(after, step, strict=True):
                    each[number] = value[0]
                row = step[0]
            tops.append(row[0])
        return torch.stack(tops), [torch.stack(each) for each in after]

    return read


def weighed(*tensors: Tensor) -> Tensor:
    """Every number that comes out weighs something else."""
    total = torch.zeros(())
    for each in tensors:
        total = total + (each * torch.arange(each.numel()).view_as(each).cos()).sum()
    return total


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("cell", OTHERS)
@pytest.mark.parametrize("by_words", [False, True])
def test_results_and_gradients(cell: Cell, lengths: list[int], by_words: bool) -> None:
    layers = drawn(cell, torch.float64)
    torch.manual_seed(1)
    table = nn.Embedding(6, SIZE).double()
    words = pack_sequence([torch.randint(6, (n,)) for n in lengths], enforce_sorted=False)
    start = [
        torch.randn(LAYERS, len(lengths), CELLS, dtype=torch.float64, requires_grad=True)
        for _ in range(layers.kinds)
    ]
    wanted = [table.weight, *start, *layers.parameters()]

    if by_words:
        output, after = layers.read_words(words, table, tuple(start))
    else:
        output, after = layers(words._replace(data=table(words.data)), tuple(start))
    sentences = unpacked(output)
    found = torch.autograd.grad(weighed(*sentences, *after), wanted)

    read, tops, ends = reference(cell, layers), [], []
    for number, ids in enumerate(unpacked(words)):
        top, end = read(table(ids), [each[:, number] for each in start])
        tops.append(top)
        ends.append(end)
    states = [torch.stack(each, 1) for each in zip(*ends, strict=True)]
    expected = torch.autograd.grad(weighed(*tops, *states), wanted)

    torch.testing.assert_close(list(sentences), tops, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(list(after), states, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)


def unpacked(packed: PackedSequence) -> list[Tensor]:
    padded, lengths = nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
    return [row[:length] for row, length in zip(padded, lengths, strict=True)]


@pytest.mark.parametrize(("cell", "kind"), [("gru", nn.GRU), ("rnn", nn.RNN)])
def test_the_same_weights_give_what_torch_gives(cell: Cell, kind: Any) -> None:
    layers, plain = drawn(cell, torch.float32), kind(SIZE, CELLS, LAYERS)
    plain.load_state_dict(layers.state_dict())
    inputs = pack_sequence([torch.randn(n, SIZE) for n in [4, 2, 6]], enforce_sorted=False)
    output, (hidden,) = layers(inputs)
    expected, last = plain(inputs)
    torch.testing.assert_close(output.data, expected.data)
    torch.testing.assert_close(hidden, last)


@pytest.mark.parametrize("cell", OTHERS)
def test_bf16_is_near_fp32_and_reaches_the_products_alone(cell: Cell) -> None:
    layers = drawn(cell, torch.float32)
    inputs = pack_sequence([torch.randn(n, SIZE) for n in [4, 2, 6]], enforce_sorted=False)
    gradients = []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            output, after = layers(inputs)
        assert {each.dtype for each in (output.data, *after)} == {torch.float32}
        gradients.append(
            torch.autograd.grad(weighed(output.data, *after), list(layers.parameters()))
        )
    exact, rounded = (torch.cat([each.flatten() for each in every]) for every in gradients)
    assert not torch.equal(exact, rounded)
    assert float((exact - rounded).norm() / exact.norm()) < 0.03


def test_one_result_alone_may_be_asked_for() -> None:
    """The last states of an encoder whose words nobody looks at; the other way about."""
    for cell in OTHERS:
        layers = drawn(cell, torch.float64)
        inputs = pack_sequence([torch.randn(n, SIZE).double() for n in [4, 2]])
        for what in range(2):
            output, after = layers(inputs)
            asked = (output.data, after[0])[what]
            found = torch.autograd.grad(asked.sum(), list(layers.parameters()))
            assert all(bool(each.isfinite().all()) for each in found)
