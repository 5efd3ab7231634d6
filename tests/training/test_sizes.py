"""What an update touches, counted: no tensor of all logits, no pass over whole embedding tables."""

import dataclasses
from typing import Any, Literal

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_sequence
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from s2s_cli.data.batches import Batch
from s2s_cli.model.config import Shape, TrainingPrecision
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.model.softmax import block_rows
from s2s_cli.text.vocabulary import EOS
from s2s_cli.training.config import TrainingConfig
from s2s_cli.training.memory import BYTES, memory_estimate
from s2s_cli.training.optimisers import Optimisers
from s2s_cli.training.update import backward, clip_coefficient, gradient_norm, step

Kind = Literal["sgd", "adam"]

SHAPE = Shape(
    source_vocabulary=90_000, target_vocabulary=20_000, layers=1, hidden_size=8, embedding_size=16
)
SENTENCES, LENGTH = 64, 20


class Sizes(TorchDispatchMode):
    """Notes the shapes that operations make, the largest, and what reads or writes ``watched``."""

    def __init__(self, watched: list[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.watched = {each.data_ptr() for each in watched}
        self.largest, self.made, self.touching = 0, set[torch.Size](), set[str]()

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: tuple[Any, ...] = (), options: Any = None
    ) -> Any:
        result = function(*arguments, **(options or {}))
        given = [each for each in tree_leaves(arguments) if isinstance(each, Tensor)]
        if any(plain(each) and each.data_ptr() in self.watched for each in given):
            self.touching.add(str(function))
        for each in tree_leaves(result):
            if isinstance(each, Tensor) and not any(each is other for other in given):
                self.largest = max(self.largest, stored(each))
                if plain(each) and each.data_ptr() not in self.watched:
                    self.made.add(each.shape)
        return result


def plain(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided


def stored(tensor: Tensor) -> int:
    """Numbers that a tensor holds; a sparse one holds its rows."""
    return tensor._values().numel() if tensor.is_sparse else tensor.numel()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_an_update_costs_what_its_words_cost(kind: Kind, precision: TrainingPrecision) -> None:
    model, optimisers = trained(SHAPE, kind)
    tables = model.tables()
    moments = [
        each
        for optimiser in optimisers.each
        for table in tables
        for each in optimiser.state.get(table, {}).values()
        if isinstance(each, Tensor)
    ]
    assert len(moments) == {"sgd": 0, "adam": 4}[kind]
    with Sizes([each.detach() for each in [*tables, *moments]]) as seen:
        update(model, optimisers, precision)
    # Every word of a target once: 27 million numbers, of which a block holds a fifth.
    assert SENTENCES * (LENGTH + 1) * SHAPE.target_vocabulary > 5 * seen.largest
    assert seen.largest == block_rows(SHAPE.target_vocabulary, "cpu") * SHAPE.target_vocabulary
    # Looked up row by row, stepped row by row; views cost nothing.
    of_rows = {"aten.embedding.default", "aten.add_.Tensor", "aten.detach.default"}
    if kind == "adam":
        of_rows |= {"aten.index.Tensor", "aten.index_copy_.default", "aten.index_add_.default"}
    assert seen.touching - {"aten.view.default", "aten.alias.default"} <= of_rows
    assert model.softmax.weight.shape in seen.made  # its gradient
    assert not seen.made & {each.shape for each in tables}
    assert all(each.grad is not None and each.grad.is_sparse for each in tables)


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_the_memory_told_grows_with_a_table_as_what_is_held(kind: Kind) -> None:
    shapes = SHAPE, dataclasses.replace(SHAPE, source_vocabulary=2 * SHAPE.source_vocabulary)
    config = TrainingConfig(optimiser=kind)
    held, told = [], []
    for shape in shapes:
        model, optimisers = trained(shape, kind)
        held.append(numbers(model, optimisers))
        told.append(memory_estimate(model, config, LENGTH, LENGTH))
    assert told[1] - told[0] == BYTES * (held[1] - held[0])


def trained(shape: Shape, kind: Kind) -> tuple[Seq2Seq, Optimisers]:
    """A model after its first update, with which Adam's moments come to be."""
    model = Seq2Seq(shape)
    model.initialise(0.08, torch.Generator().manual_seed(1))
    optimisers = Optimisers.of(kind, model)
    update(model, optimisers, "fp32")
    return model, optimisers


def update(model: Seq2Seq, optimisers: Optimisers, precision: TrainingPrecision) -> None:
    model.zero_grad()
    backward(model, batch(), SENTENCES, precision)
    step(optimisers, 0.7, clip_coefficient(float(gradient_norm(model.parameters())), 1e-3))


def numbers(model: Seq2Seq, optimisers: Optimisers) -> int:
    """What weights, gradients and optimisers hold."""
    gradients = [each.grad for each in model.parameters() if each.grad is not None]
    states = [state for each in optimisers.each for state in each.state.values()]
    kept = [each for state in states for each in state.values() if isinstance(each, Tensor)]
    return sum(map(stored, [*model.parameters(), *gradients, *kept]))


def batch() -> Batch:
    generator = torch.Generator().manual_seed(2)
    sources, targets = (
        [torch.randint(2, size, (LENGTH,), generator=generator) for _ in range(SENTENCES)]
        for size in (SHAPE.source_vocabulary, SHAPE.target_vocabulary)
    )
    end = torch.tensor([EOS])
    return Batch(
        pack_sequence(sources),
        pack_sequence([torch.cat([end, each]) for each in targets]),
        pack_sequence([torch.cat([each, end]) for each in targets]).data,
    )
