"""Our LSTM beside torch's: any lengths, any starting state, every gradient."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from s2s_cli.model import products
from s2s_cli.model.lstm import Lstm

LENGTHS = {
    "rising and falling": [4, 9, 1, 9, 6],
    "all the same": [5, 5, 5],
    "one": [7],
    "single words": [1, 1],
    "longest first": [6, 3, 1],
}


def both(layers: int, dtype: torch.dtype) -> tuple[nn.LSTM, Lstm]:
    torch.manual_seed(layers)
    plain, own = nn.LSTM(7, 5, layers).to(dtype), Lstm(7, 5, layers).to(dtype)
    own.load_state_dict(plain.state_dict())
    return plain, own


def start(layers: int, batch: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    hidden, cell = (torch.randn(layers, batch, 5, dtype=dtype) for _ in "hc")
    return hidden.requires_grad_(), cell.requires_grad_()


def loss(output: Tensor, state: tuple[Tensor, ...]) -> Tensor:
    """Every number that comes out weighs something else."""
    return sum(
        (each * torch.arange(each.numel()).view_as(each).cos()).sum() for each in (output, *state)
    )  # type: ignore[return-value]


@pytest.mark.parametrize(("dtype", "near"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
def test_results_and_gradients_are_those_of_torch(
    lengths: list[int], layers: int, dtype: torch.dtype, near: float
) -> None:
    plain, own = both(layers, dtype)
    sentences = [torch.randn(length, 7, dtype=dtype) for length in lengths]
    data, *form = pack_sequence(sentences, enforce_sorted=False)
    data.requires_grad_()
    state = start(layers, len(lengths), dtype)
    found = []
    for lstm in (plain, own):
        output, after = lstm(PackedSequence(data, *form), state)
        wanted = [data, *state, *lstm.parameters()]
        found.append([output.data, *after, *torch.autograd.grad(loss(output.data, after), wanted)])
    torch.testing.assert_close(found[1], found[0], rtol=near, atol=near)


@pytest.mark.parametrize(
    ("dtype", "packs"), [(torch.float64, True), (torch.float32, True), (torch.float32, False)]
)
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
def test_words_read_once_are_words_read_at_every_place(
    lengths: list[int], dtype: torch.dtype, packs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not packs:
        monkeypatch.setattr(products, "packs", lambda *_: False)
    plain, own = both(2, dtype)
    table = nn.Embedding(6, 7).to(next(own.parameters()).dtype)
    words = pack_sequence([torch.randint(6, (n,)) for n in lengths], enforce_sorted=False)
    state = start(2, len(lengths), table.weight.dtype)
    found = []
    for lstm in (plain, own):
        if lstm is own:
            output, after = own.read_words(words, table, state)
        else:
            output, after = lstm(words._replace(data=table(words.data)), state)
        wanted = [table.weight, *state, *lstm.parameters()]
        found.append([output.data, *after, *torch.autograd.grad(loss(output.data, after), wanted)])
    torch.testing.assert_close(found[1], found[0], rtol=1e-5, atol=1e-5)


def test_bf16_comes_near_fp32_with_states_in_fp32() -> None:
    plain, own = both(2, torch.float32)
    table = nn.Embedding(6, 7)
    words = pack_sequence(list(torch.randint(6, (4, 9))))
    vectors = words._replace(data=table(words.data))
    (exact, *_), _ = plain(vectors)
    for read in (lambda: own(vectors), lambda: own.read_words(words, table)):
        with torch.autocast("cpu", torch.bfloat16):
            (output, *_), state = read()
        assert {output.dtype, *(each.dtype for each in state)} == {torch.float32}
        torch.testing.assert_close(output, exact, rtol=0.02, atol=0.01)
        (gradient,) = torch.autograd.grad(output.sum(), own.all_weights[0][1])
        (wanted,) = torch.autograd.grad(exact.sum(), plain.all_weights[0][1], retain_graph=True)
        torch.testing.assert_close(gradient, wanted, rtol=0.05, atol=0.02)


def test_dropout_between_layers_is_for_training_alone() -> None:
    lstm = Lstm(7, 5, 2, dropout=0.5)
    inputs = pack_sequence(list(torch.randn(3, 4, 7)))
    assert not torch.equal(lstm(inputs)[0].data, lstm(inputs)[0].data)
    lstm.eval()
    assert torch.equal(lstm(inputs)[0].data, lstm(inputs)[0].data)


def test_each_distinct_word_meets_the_input_weights_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of all products with weights, counted: forward, and what backward repeats a step."""
    rows: list[tuple[int, int]] = []

    class Counting(products.PrepackedLinear):
        def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
            super().__init__(weight, bias)
            real = self.multiply

            def count(given: Tensor) -> Tensor:
                rows.append((len(given), given.shape[1]))
                return real(given)

            self.multiply = count

    for module in ("lstm", "libraries"):
        monkeypatch.setattr(f"s2s_cli.model.{module}.PrepackedLinear", Counting)
    own = Lstm(64, 32, 2)
    words = pack_sequence(list(torch.arange(6).repeat(27)[:160].view(8, 20)))
    own.read_words(words, nn.Embedding(6, 64))
    # Six words, filled up; then, in the second layer, [x, h] of each step.
    assert rows == [(64, 64), *[(8, 64)] * 20]
