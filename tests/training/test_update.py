"""One update of the paper, beside the same update written out by hand."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from s2s_cli.data.batches import Batch
from s2s_cli.model.config import Shape
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.text.vocabulary import EOS
from s2s_cli.training.update import (
    clipping,
    gradient,
    gradient_norm,
    make_optimiser,
    operations,
    step,
)

SOURCES = [[3, 5], [4, 3], [4, 6]]
TARGETS = [[2, 4], [3], [2, 2]]


def pack(sentences: list[list[int]]) -> PackedSequence:
    return pack_sequence([torch.tensor(each) for each in sentences], enforce_sorted=False)


BATCH = Batch(
    pack(SOURCES),
    pack([[EOS, *target] for target in TARGETS]),
    pack([[*target, EOS] for target in TARGETS]).data,
)


def tiny(*, sparse: bool) -> Seq2Seq:
    model = Seq2Seq(Shape(7, 5, 2, 4, 3), sparse=sparse).double()
    model.initialise(0.5, torch.Generator().manual_seed(2))
    return model


def plain_loss(model: Seq2Seq) -> Tensor:
    """Sum over all words of the negative log probability, through nothing of ours."""
    total = torch.zeros((), dtype=torch.float64)
    for source, target in zip(SOURCES, TARGETS, strict=True):
        words = nn.functional.embedding(torch.tensor(source), model.source_embedding.weight)
        _, state = plain(model.encoder)(words[:, None])
        read = torch.tensor([EOS, *target])
        inputs = nn.functional.embedding(read, model.target_embedding.weight)
        hidden, _ = plain(model.decoder)(inputs[:, None], state)
        log_probs = model.softmax(hidden[:, 0]).log_softmax(-1)
        total = total - log_probs.gather(1, torch.tensor([*target, EOS])[:, None]).sum()
    return total


def plain(lstm: nn.LSTM) -> Callable[..., Any]:
    """Torch's own way to compute an LSTM, with the same parameters."""
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


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize(("divisor", "largest"), [(128, 5.0), (128, 1e-3), (3, 0.1), (3, 5.0)])
def test_a_step_is_the_paper_s(sparse: bool, divisor: int, largest: float) -> None:
    model = tiny(sparse=sparse)
    norm, expected = by_hand(copy.deepcopy(model), divisor, largest, 0.7)
    optimiser = make_optimiser("sgd", model.parameters())
    loss = gradient(model, BATCH, divisor, bf16=False)
    assert float(loss) == pytest.approx(float(plain_loss(model).detach()), rel=1e-12)
    found = float(gradient_norm(model.parameters()))
    assert found == pytest.approx(norm, rel=1e-12)
    step(optimiser, 0.7, clipping(found, largest))
    for parameter, after in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.detach(), after, rtol=1e-12, atol=1e-15)


def test_both_cases_of_clipping_are_covered_above() -> None:
    norm, _ = by_hand(tiny(sparse=False), 128, 5.0, 0.7)
    assert 1e-3 < norm < 5.0
    norm, _ = by_hand(tiny(sparse=False), 3, 5.0, 0.7)
    assert 0.1 < norm < 5.0


def test_the_norm_counts_a_word_that_stands_twice_once() -> None:
    """Rows of a sparse gradient are summed by word before they are squared."""
    norms = []
    for sparse in (True, False):
        model = tiny(sparse=sparse)
        gradient(model, BATCH, 1, bf16=False)
        norms.append(float(gradient_norm(model.parameters())))
    assert norms[0] == pytest.approx(norms[1], rel=1e-12)


def test_sgd_leaves_embeddings_of_absent_words_alone() -> None:
    model = tiny(sparse=True)
    before = model.source_embedding.weight.detach().clone()
    optimiser = make_optimiser("sgd", model.parameters())
    gradient(model, BATCH, 3, bf16=False)
    step(optimiser, 0.7, 1.0)
    changed = (model.source_embedding.weight != before).any(1).nonzero().flatten().tolist()
    assert changed == [3, 4, 5, 6]


def test_no_clipping_at_zero() -> None:
    assert clipping(1e9, 0.0) == 1.0


def test_adam_steps_along_the_clipped_gradient() -> None:
    """Its first step depends on signs alone, the second on how long the gradients were."""
    models = [tiny(sparse=False) for _ in range(2)]
    for model, by_us in zip(models, (True, False), strict=True):
        optimiser = make_optimiser("adam", model.parameters())
        for largest in (0.3, 0.01):
            optimiser.zero_grad()
            gradient(model, BATCH, 3, bf16=False)
            factor = clipping(float(gradient_norm(model.parameters())), largest)
            assert factor < 1
            if by_us:
                step(optimiser, 0.1, factor)
            else:
                nn.utils.clip_grad_norm_(model.parameters(), largest)
                step(optimiser, 0.1, 1.0)
    one, other = (list(model.parameters()) for model in models)
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_operations_are_counted_word_by_word() -> None:
    # Encoder and decoder, two layers: 4 gates of 4 cells read x of 3, then of 4, and h of 4.
    lstm, softmax = 2 * 4 * 4 * (3 + 4 + 4 + 4), 2 * 4 * 5
    words = sum(map(len, SOURCES)) + len(BATCH.words)
    assert operations(tiny(sparse=True).shape, BATCH) == 3 * (
        words * lstm + len(BATCH.words) * softmax
    )
