"""What an update touches, counted: no tensor of all logits, no pass over whole embedding tables."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_sequence
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from s2s_cli.data.batches import Batch
from s2s_cli.model.config import Shape
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.model.softmax import block_rows
from s2s_cli.text.vocabulary import EOS
from s2s_cli.training.update import clipping, gradient, gradient_norm, make_optimiser, step

SHAPE = Shape(
    source_vocabulary=90_000, target_vocabulary=20_000, layers=1, hidden_size=8, embedding_size=16
)
SENTENCES, LENGTH = 64, 20


class Sizes(TorchDispatchMode):
    """Notes the largest tensor that any operation makes, and what reads or writes ``watched``."""

    def __init__(self, watched: list[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.watched = {each.data_ptr() for each in watched}
        self.largest, self.touching = 0, set[str]()

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
        return result


def plain(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided


def stored(tensor: Tensor) -> int:
    """Numbers that a tensor holds; a sparse one holds its rows."""
    return tensor._values().numel() if tensor.is_sparse else tensor.numel()


@pytest.mark.parametrize("bf16", [False, True])
def test_an_update_costs_what_its_words_cost(bf16: bool) -> None:
    model = Seq2Seq(SHAPE, sparse=True)
    model.initialise(0.08, torch.Generator().manual_seed(1))
    tables = [model.source_embedding.weight, model.target_embedding.weight]
    optimiser = make_optimiser("sgd", model.parameters())
    with Sizes([each.detach() for each in tables]) as seen:
        optimiser.zero_grad()
        gradient(model, batch(), SENTENCES, bf16=bf16)
        step(optimiser, 0.7, clipping(float(gradient_norm(model.parameters())), 5.0))
    # Every word of a target once: 27 million numbers, of which a block holds a fifth.
    assert SENTENCES * (LENGTH + 1) * SHAPE.target_vocabulary > 5 * seen.largest
    assert seen.largest == block_rows(SHAPE.target_vocabulary) * SHAPE.target_vocabulary
    # Looked up row by row, stepped row by row; views cost nothing.
    of_rows = {"aten.embedding.default", "aten.add_.Tensor", "aten.detach.default"}
    assert seen.touching - {"aten.view.default", "aten.alias.default"} <= of_rows
    assert all(each.grad is not None and each.grad.is_sparse for each in tables)


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
