"""One update of the paper, beside the same update written out by hand."""

import copy

import pytest
import torch
from torch import Tensor, nn

from s2s_cli.data.batches import Batch
from s2s_cli.model.config import Shape
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.text.vocabulary import EOS
from s2s_cli.training.update import clip, gradient, make_optimiser, set_learning_rate

BATCH = Batch(
    source=torch.tensor([[3, 4, 4], [5, 3, 6]]),
    target_input=torch.tensor([[EOS, EOS, EOS], [2, 3, 2], [4, EOS, 2]]),
    positions=torch.tensor([0, 1, 2, 3, 4, 5, 6, 8]),
    words=torch.tensor([2, 3, 2, 4, EOS, 2, EOS, EOS]),
)


def tiny(*, sparse: bool) -> Seq2Seq:
    model = Seq2Seq(Shape(7, 5, 2, 4, 3), sparse=sparse).double()
    model.initialise(0.5, torch.Generator().manual_seed(2))
    return model


def plain_loss(model: Seq2Seq) -> Tensor:
    """Sum over all words of the negative log probability, through nothing of ours."""
    _, state = model.encoder(nn.functional.embedding(BATCH.source, model.source_embedding.weight))
    inputs = nn.functional.embedding(BATCH.target_input, model.target_embedding.weight)
    log_probs = model.softmax(model.decoder(inputs, state)[0]).log_softmax(-1).flatten(0, 1)
    at_words: Tensor = log_probs[BATCH.positions].gather(1, BATCH.words[:, None])
    return -at_words.sum()


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
    assert float(clip(model.parameters(), largest)) == pytest.approx(norm, rel=1e-12)
    set_learning_rate(optimiser, 0.7)
    optimiser.step()
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
        norms.append(float(clip(model.parameters(), 0.0)))
    assert norms[0] == pytest.approx(norms[1], rel=1e-12)


def test_sgd_leaves_embeddings_of_absent_words_alone() -> None:
    model = tiny(sparse=True)
    before = model.source_embedding.weight.detach().clone()
    optimiser = make_optimiser("sgd", model.parameters())
    gradient(model, BATCH, 3, bf16=False)
    set_learning_rate(optimiser, 0.7)
    optimiser.step()
    changed = (model.source_embedding.weight != before).any(1).nonzero().flatten().tolist()
    assert changed == [3, 4, 5, 6]


def test_no_clipping_at_zero() -> None:
    model = tiny(sparse=False)
    gradient(model, BATCH, 1, bf16=False)
    before = [each.grad.clone() for each in model.parameters() if each.grad is not None]
    clip(model.parameters(), 0.0)
    after = [each.grad for each in model.parameters()]
    torch.testing.assert_close(after, before)
