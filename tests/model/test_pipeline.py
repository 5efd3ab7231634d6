"""A model over several devices computes what it computes on one."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_sequence
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from s2s_cli.model import lstm, softmax, vocab_parallel
from s2s_cli.model.config import Shape
from s2s_cli.model.pipeline import TIME_CHUNK, SpreadSeq2Seq, spread
from s2s_cli.model.seq2seq import Seq2Seq

CPU = torch.device("cpu")
SHAPE = Shape(19, 23, layers=3, hidden_size=6, embedding_size=5)


def batch(sentences: int = 7, longest: int = 3 * TIME_CHUNK - 1, seed: int = 3) -> tuple[Any, ...]:
    """Sources and targets of lengths 1 to ``longest``, in no order."""
    generator = torch.Generator().manual_seed(seed)

    def packed(words: int) -> PackedSequence:
        lengths = torch.randint(1, longest + 1, (sentences,), generator=generator)
        lengths[generator.initial_seed() % sentences] = longest
        each = [torch.randint(words, (int(n),), generator=generator) for n in lengths]
        return pack_sequence(each, enforce_sorted=False)

    source, target = packed(SHAPE.source_vocabulary), packed(SHAPE.target_vocabulary)
    words = torch.randint(SHAPE.target_vocabulary, target.data.shape, generator=generator)
    return source, target, words


def models(places: int, dtype: torch.dtype, shape: Shape = SHAPE) -> tuple[Seq2Seq, SpreadSeq2Seq]:
    """The same model twice."""
    pair = []
    for _ in range(2):
        model = Seq2Seq(shape).to(dtype)
        model.initialise(0.4, torch.Generator().manual_seed(1))
        pair.append(model)
    other = spread(pair[1], (CPU,) * places)
    assert isinstance(other, SpreadSeq2Seq)
    return pair[0], other


def gradients(model: Seq2Seq) -> dict[str, Tensor]:
    result = {}
    for name, each in model.named_parameters():
        assert each.grad is not None
        result[name] = each.grad.to_dense()
    return result


def joined_gradients(model: SpreadSeq2Seq) -> dict[str, Tensor]:
    result = {}
    for name, parts in model.shards().items():
        grads = [part.grad.to_dense() for part in parts if part.grad is not None]
        assert len(grads) == len(parts)
        result[name] = torch.cat(grads)
    return result


@pytest.mark.parametrize("places", [2, 3, 4, 5, 6, 8])
def test_loss_and_gradients_are_those_of_one_device(places: int) -> None:
    one, several = models(places, torch.float64)
    inputs = batch()
    losses = [model(*inputs) for model in (one, several)]
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-12, atol=0)
    for loss in losses:
        (loss / 7).backward()
    expected, found = gradients(one), joined_gradients(several)
    assert list(found) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-12, msg=name)


def test_the_path_of_a_gpu_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """There, a layer is torch's own LSTM, from packed rows and the states of those that go on."""
    one, several = models(5, torch.float64)
    inputs = batch()
    losses = [one(*inputs)]

    def read_words(self: Any, words: PackedSequence, table: Any, state: Any = None) -> Any:
        return self(words._replace(data=table(words.data)), state)

    with monkeypatch.context() as patch:
        patch.setattr(lstm.Lstm, "forward", torch.nn.LSTM.forward)
        patch.setattr(lstm.Lstm, "read_words", read_words)
        losses.append(several(*inputs))
    for loss in losses:
        loss.backward()
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-12, atol=0)
    for name, value in gradients(one).items():
        torch.testing.assert_close(joined_gradients(several)[name], value, rtol=1e-9, atol=1e-12)


def test_one_sentence_of_one_word() -> None:
    one, several = models(4, torch.float64)
    inputs = batch(sentences=1, longest=1)
    torch.testing.assert_close(several(*inputs), one(*inputs), rtol=1e-12, atol=0)


def test_bf16_products_are_those_of_one_device_to_rounding() -> None:
    one, several = models(5, torch.float32)
    inputs = batch()
    with torch.autocast("cpu", torch.bfloat16):
        expected, found = one(*inputs), several(*inputs)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=3e-3, atol=0)
    for loss in (expected, found):
        loss.backward()
    for name, value in gradients(one).items():
        distance = torch.linalg.vector_norm(joined_gradients(several)[name] - value)
        assert distance <= 0.05 * torch.linalg.vector_norm(value) + 1e-3, name


def test_nothing_is_kept_for_a_gradient_that_nobody_wants() -> None:
    one, several = models(4, torch.float64)
    with torch.no_grad():
        loss = several(*batch())
        parts = several.softmax.loss(batch()[2]).slices
    assert not loss.requires_grad
    assert not any(hasattr(each, "of_weight") for each in parts)
    torch.testing.assert_close(loss, one(*batch()).detach(), rtol=1e-12, atol=0)


def test_logits_far_apart_between_slices_do_not_overflow() -> None:
    _, several = models(5, torch.float32)
    with torch.no_grad():
        several.softmax.biases[0] += 300
        several.softmax.biases[-1] -= 300
    loss = several(*batch())
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(g).all() for g in joined_gradients(several).values())


def test_blocks_of_a_time_chunk_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    one, several = models(5, torch.float64)
    monkeypatch.setattr(vocab_parallel, "block_rows", lambda vocabulary, device_type: 5)
    inputs = batch()
    for loss in (one(*inputs), several(*inputs)):
        loss.backward()
    for name, value in gradients(one).items():
        torch.testing.assert_close(joined_gradients(several)[name], value, rtol=1e-9, atol=1e-12)


def test_dropout_drops_in_training_alone() -> None:
    model = Seq2Seq(SHAPE, dropout=0.5)
    model.initialise(0.4, torch.Generator().manual_seed(1))
    several, inputs = spread(model, (CPU,) * 4), batch()
    torch.manual_seed(1)
    dropped = [several(*inputs).item() for _ in range(2)]
    several.eval()
    kept = [several(*inputs).item() for _ in range(2)]
    assert kept[0] == kept[1]
    assert len({*dropped, kept[0]}) == 3


class Largest(TorchDispatchMode):
    """The sizes of all tensors that are made while it is on."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.shapes: set[tuple[int, ...]] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        leaves = [each for each in tree_leaves(result) if isinstance(each, Tensor)]
        self.shapes |= {tuple(each.shape) for each in leaves}
        return result


def test_no_tensor_has_a_row_or_column_for_every_target_word() -> None:
    _, several = models(6, torch.float32)
    with Largest() as seen:
        several(*batch()).backward()
    tables = {(SHAPE.target_vocabulary, SHAPE.embedding_size)}  # the gradient's outline: sparse
    assert not [shape for shape in seen.shapes - tables if SHAPE.target_vocabulary in shape]
    assert any(8 in shape for shape in seen.shapes)  # a slice of the 23 words


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch, model: SpreadSeq2Seq) -> Iterator[list[str]]:
    """Which layer, or the softmax, began a chunk, in order: ``encoder 0 forward``, ..."""
    names = {
        layer.weight_ih_l0.data_ptr(): f"{side} {number}"
        for side in ("encoder", "decoder")
        for number, layer in enumerate(getattr(model, side))
    }
    log: list[str] = []
    forward, backward, loss = (
        lstm._Layer.forward,
        lstm._Layer.backward,
        vocab_parallel._Loss.forward,
    )

    def note_forward(ctx: Any, *arguments: Any) -> Any:
        log.append(f"{names[arguments[3].data_ptr()]} forward")
        return forward(ctx, *arguments)

    def note_backward(ctx: Any, *arguments: Any) -> Any:
        log.append(f"{names[ctx.saved_tensors[3].data_ptr()]} backward")
        return backward(ctx, *arguments)

    def note_loss(ctx: Any, *arguments: Any) -> Any:
        log.append("softmax forward")
        return loss(ctx, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(lstm._Layer, "forward", staticmethod(note_forward))
        patch.setattr(lstm._Layer, "backward", staticmethod(note_backward))
        patch.setattr(vocab_parallel._Loss, "forward", staticmethod(note_loss))
        yield log


def chunks_of(log: list[str], side: str, way: str) -> list[tuple[int, int]]:
    """(layer, chunk) of each task of one side and direction, as they were issued."""
    begun = dict.fromkeys(range(SHAPE.layers), 0)
    found = []
    for line in log:
        if line.startswith(side) and line.endswith(way):
            layer = int(line.split()[1])
            found.append((layer, begun[layer]))
            begun[layer] += 1
    return found


def clocks(tasks: list[tuple[int, int]], order: list[int]) -> dict[tuple[int, int], int]:
    """When each task begins on devices with a clock each, where every task takes one tick.

    A device works off its tasks as they were issued; layer ``order[n]`` needs what the layer
    ``order[n - 1]`` made of the same chunk.
    """
    device_free = dict.fromkeys(order, 0)
    begins: dict[tuple[int, int], int] = {}
    for layer, chunk in tasks:
        place = order.index(layer)
        ready = begins[order[place - 1], chunk] + 1 if place else 0
        begins[layer, chunk] = max(ready, device_free[layer])
        device_free[layer] = begins[layer, chunk] + 1
    return begins


@pytest.mark.parametrize("way", ["forward", "backward"])
@pytest.mark.parametrize("side", ["encoder", "decoder"])
def test_layers_overlap(monkeypatch: pytest.MonkeyPatch, side: str, way: str) -> None:
    """A layer begins a chunk while the one before is at the next: a pipeline without a gap."""
    _, several = models(6, torch.float32)
    with recorded(monkeypatch, several) as log:
        several(*batch()).backward()
    layers = list(range(SHAPE.layers))
    order = layers if way == "forward" else layers[::-1]
    begins = clocks(chunks_of(log, side, way), order)
    assert len(begins) == 3 * SHAPE.layers
    for earlier, later in pairwise(order):
        assert begins[later, 0] < begins[earlier, 2]
    assert max(begins.values()) + 1 == 3 + SHAPE.layers - 1


def test_the_softmax_begins_with_the_first_time_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    _, several = models(6, torch.float32)
    with recorded(monkeypatch, several) as log:
        several(*batch()).backward()
    top = f"decoder {SHAPE.layers - 1} forward"
    assert log.index("softmax forward") < len(log) - 1 - log[::-1].index(top)
    assert log.count("softmax forward") == 3


def test_the_sum_of_slices_is_the_plain_loss() -> None:
    """`VocabParallelLoss` against `negative_log_likelihood`, rows in three time_chunks."""
    one, several = models(5, torch.float64)
    hidden = torch.randn(11, SHAPE.hidden_size, dtype=torch.float64, requires_grad=True)
    words = torch.randint(SHAPE.target_vocabulary, (11,))
    weight, bias = one.softmax.weight, one.softmax.bias
    expected = softmax.negative_log_likelihood(hidden, weight, bias, words)
    loss = several.softmax.loss(words)
    for rows in hidden.split(4):
        loss.add(rows)
    torch.testing.assert_close(loss.total, expected, rtol=1e-12, atol=0)
    ours, plain = (torch.autograd.grad(each, hidden)[0] for each in (loss.total, expected))
    torch.testing.assert_close(ours, plain, rtol=1e-10, atol=1e-13)
