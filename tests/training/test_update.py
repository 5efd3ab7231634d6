"""One update of the paper, beside the same update written out by hand."""

import copy
import math
from collections.abc import Callable
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from s2s_cli.data.batches import Batch
from s2s_cli.model.config import Shape
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.text.vocabulary import EOS
from s2s_cli.training.optimisers import Optimisers
from s2s_cli.training.update import (
    backward,
    clip_coefficient,
    gradient_norm,
    step,
    sum_rows,
    training_flops,
)

Ids = list[list[int]]

SOURCES = [[3, 5], [4, 3], [4, 6]]
TARGETS = [[2, 4], [3], [2, 2]]
# Among them every word of the vocabularies of `tiny`, some more than once.
ALL_SOURCES = [[0, 1, 2], [3, 4, 5], [6, 3, 3]]
ALL_TARGETS = [[2, 4], [3, 3], [1]]


def pack(sentences: Ids) -> PackedSequence:
    return pack_sequence([torch.tensor(each) for each in sentences], enforce_sorted=False)


def batch_of(sources: Ids, targets: Ids) -> Batch:
    return Batch(
        pack(sources),
        pack([[EOS, *target] for target in targets]),
        pack([[*target, EOS] for target in targets]).data,
    )


BATCH = batch_of(SOURCES, TARGETS)


def tiny() -> Seq2Seq:
    model = Seq2Seq(Shape(7, 5, 2, 4, 3)).double()
    model.initialise(0.5, torch.Generator().manual_seed(2))
    return model


def plain_loss(model: Seq2Seq, sources: Ids = SOURCES, targets: Ids = TARGETS) -> Tensor:
    """Sum over all words of the negative log probability, through nothing of ours."""
    total = torch.zeros((), dtype=torch.float64)
    for source, target in zip(sources, targets, strict=True):
        words = nn.functional.embedding(torch.tensor(source), model.source_embedding.weight)
        _, state = plain(model.encoder)(words[:, None])
        read = torch.tensor([EOS, *target])
        inputs = nn.functional.embedding(read, model.target_embedding.weight)
        hidden, _ = plain(model.decoder)(inputs[:, None], state)
        log_probs = model.softmax(hidden[:, 0]).log_softmax(-1)
        total = total - log_probs.gather(1, torch.tensor([*target, EOS])[:, None]).sum()
    return total


def plain(lstm: nn.RNNBase) -> Callable[..., Any]:
    """Torch's own way to compute an LSTM, with the same parameters."""
    assert isinstance(lstm, nn.LSTM)
    return lambda *arguments: nn.LSTM.forward(lstm, *arguments)


def by_hand(
    model: Seq2Seq, divisor: int, largest: float, rate: float
) -> tuple[float, list[Tensor]]:
    """With g = d loss / divisor and s = ‖g‖ over all of g: g ← largest · g / s if s > largest."""
    parameters = list(model.parameters())
    gradients = [g / divisor for g in torch.autograd.grad(plain_loss(model), parameters)]
    s = float(sum((g**2).sum() for g in gradients)) ** 0.5
    factor = largest / s if s > largest else 1.0
    stepped = [p.detach() - rate * factor * g for p, g in zip(parameters, gradients, strict=True)]
    return s, stepped


@pytest.mark.parametrize(("divisor", "largest"), [(128, 5.0), (128, 1e-3), (3, 0.1), (3, 5.0)])
def test_a_step_is_the_paper_s(divisor: int, largest: float) -> None:
    model = tiny()
    norm, expected = by_hand(copy.deepcopy(model), divisor, largest, 0.7)
    optimisers = Optimisers.of("sgd", model)
    loss = backward(model, BATCH, divisor, "fp32")
    assert float(loss) == pytest.approx(float(plain_loss(model).detach()), rel=1e-12)
    found = float(gradient_norm(model.parameters()))
    assert found == pytest.approx(norm, rel=1e-12)
    step(optimisers, 0.7, clip_coefficient(found, largest))
    for parameter, after in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.detach(), after, rtol=1e-12, atol=1e-15)


def test_both_cases_of_clipping_are_covered_above() -> None:
    norm, _ = by_hand(tiny(), 128, 5.0, 0.7)
    assert 1e-3 < norm < 5.0
    norm, _ = by_hand(tiny(), 3, 5.0, 0.7)
    assert 0.1 < norm < 5.0


def test_the_norm_counts_a_word_that_stands_twice_once() -> None:
    """Rows of a sparse gradient are summed by word before they are squared."""
    table = nn.Embedding(3, 2, sparse=True)
    table(torch.tensor([1, 2, 1])).sum().backward()
    assert float(gradient_norm(table.parameters())) == pytest.approx(math.sqrt(2 * 2**2 + 2 * 1**2))


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_embeddings_of_absent_words_rest(kind: Literal["sgd", "adam"]) -> None:
    """And their moments, also those of words that were in an earlier batch."""
    model = tiny()
    optimisers = Optimisers.of(kind, model)
    update(model, optimisers, batch_of(ALL_SOURCES, ALL_TARGETS))
    before = [copy.deepcopy(rows_of(table, optimisers)) for table in model.tables()]
    assert [len(rows) for rows in before] == ([1, 1] if kind == "sgd" else [3, 3])
    update(model, optimisers, BATCH)
    for table, rows, touched in zip(
        model.tables(), before, [[3, 4, 5, 6], [0, 2, 3, 4]], strict=True
    ):
        for was, now in zip(rows, rows_of(table, optimisers), strict=True):
            assert (now != was).any(1).nonzero().flatten().tolist() == touched


def update(model: Seq2Seq, optimisers: Optimisers, batch: Batch) -> None:
    model.zero_grad()
    backward(model, batch, 3, "fp32")
    step(optimisers, 0.1, 0.5)


def rows_of(table: Tensor, optimisers: Optimisers) -> list[Tensor]:
    """A table, and what optimisers keep for each number of it."""
    states = [optimiser.state.get(table, {}) for optimiser in optimisers.each]
    kept = [each for state in states for each in state.values()]
    return [
        table.detach(),
        *(each for each in kept if isinstance(each, Tensor) and each.shape == table.shape),
    ]


def test_no_clipping_at_zero() -> None:
    assert clip_coefficient(1e9, 0.0) == 1.0


def test_where_all_words_are_in_the_batch_adam_is_dense_adam() -> None:
    """Along the clipped gradient: the first step has signs alone, later ones lengths as well."""
    model = tiny()
    dense = copy.deepcopy(model)
    optimisers = Optimisers.of("adam", model)
    tables = {id(table) for table in dense.tables()}
    groups = [[p for p in dense.parameters() if (id(p) in tables) is of] for of in (True, False)]
    adam = torch.optim.Adam([{"params": each} for each in groups], lr=0.1)
    for update, largest in enumerate((0.3, 0.01, 0.0, 0.02), 1):
        model.zero_grad()
        backward(model, batch_of(ALL_SOURCES, ALL_TARGETS), 3, "fp32")
        step(optimisers, 0.1, clip_coefficient(float(gradient_norm(model.parameters())), largest))
        adam.zero_grad()
        (plain_loss(dense, ALL_SOURCES, ALL_TARGETS) / 3).backward()
        if largest:
            clip(list(dense.parameters()), largest)
        # For tables epsilon is added before bias is corrected.
        adam.param_groups[0]["eps"] = 1e-8 / math.sqrt(1 - 0.999**update)
        adam.step()
        for one, other in zip(model.parameters(), dense.parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def clip(parameters: list[nn.Parameter], largest: float) -> None:
    gradients = [each.grad for each in parameters if each.grad is not None]
    norm = math.sqrt(sum(float((each**2).sum()) for each in gradients))
    assert norm > largest
    for each in gradients:
        each *= largest / norm


def test_operations_are_counted_word_by_word() -> None:
    # Encoder and decoder, two layers: 4 gates of 4 cells read x of 3, then of 4, and h of 4.
    lstm, softmax = 2 * 4 * 4 * (3 + 4 + 4 + 4), 2 * 4 * 5
    words = sum(map(len, SOURCES)) + len(BATCH.words)
    counted = training_flops(tiny().shape, len(BATCH.source.data), len(BATCH.words))
    assert counted == 3 * (words * lstm + len(BATCH.words) * softmax)


def test_the_norm_is_that_of_the_parameters_that_have_a_gradient() -> None:
    parameters = [nn.Parameter(torch.zeros(2)) for _ in range(3)]
    parameters[0].grad, parameters[2].grad = torch.tensor([3.0, 0]), torch.tensor([0.0, 4])
    assert float(gradient_norm(parameters)) == 5


def test_rows_of_a_word_are_summed_as_coalesce_does() -> None:
    """Over several sentences and parts; which words there are is known beforehand."""
    table = nn.Embedding(20, 3, sparse=True)
    words = [torch.tensor([7, 2, 7, 0]), torch.tensor([2, 19, 7])]
    for part in words:
        (table(part) * torch.randn(len(part), 3)).sum().backward()
    assert table.weight.grad is not None
    expected = table.weight.grad.coalesce()
    sum_rows(table.weight, torch.cat(words).unique())
    assert table.weight.grad.is_coalesced()
    assert torch.equal(table.weight.grad.indices(), expected.indices())
    torch.testing.assert_close(table.weight.grad.values(), expected.values())
