"""The model against its equations written out, and against the paper's counts."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence
from variants import loss, pack

from s2s_cli.model.config import ModelConfig, Shape
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.text.vocabulary import EOS


def lstm_equations(
    model: torch.nn.RNNBase, inputs: list[Tensor], state: list[list[Tensor]]
) -> Tensor:
    """Graves 2013 without peepholes, one sentence, one step after the other; the last output."""
    hidden, cell = state
    for x in inputs:
        for layer in range(model.num_layers):
            weights = [getattr(model, f"{kind}_l{layer}") for kind in ("weight_ih", "weight_hh")]
            biases = [getattr(model, f"{kind}_l{layer}") for kind in ("bias_ih", "bias_hh")]
            gates = weights[0] @ x + weights[1] @ hidden[layer] + biases[0] + biases[1]
            i, f, g, o = gates.split(model.hidden_size)
            cell[layer] = torch.sigmoid(f) * cell[layer] + torch.sigmoid(i) * torch.tanh(g)
            hidden[layer] = torch.sigmoid(o) * torch.tanh(cell[layer])
            x = hidden[layer]
    return x


@torch.no_grad()
def log_prob_by_hand(model: Seq2Seq, source: list[int], target: list[int]) -> float:
    shape = model.shape
    state = [[torch.zeros(shape.hidden_size).double() for _ in range(shape.layers)] for _ in "hc"]
    lstm_equations(model.encoder, [model.source_embedding.weight[word] for word in source], state)
    total = 0.0
    for read, word in zip([EOS, *target], [*target, EOS], strict=True):
        top = lstm_equations(model.decoder, [model.target_embedding.weight[read]], state)
        logits = model.softmax.weight @ top + model.softmax.bias
        total += float(logits[word]) - math.log(float(logits.exp().sum()))
    return total


@pytest.fixture
def model() -> Seq2Seq:
    model = Seq2Seq(Shape(11, 9, layers=3, hidden_size=5, embedding_size=4)).double()
    model.initialise(0.8, torch.Generator().manual_seed(1))
    return model


def test_the_paper_s_model_has_384_million_weights() -> None:
    with torch.device("meta"):
        model = Seq2Seq(Shape.of(ModelConfig(), 160_000, 80_000))
    parts = {
        name: sum(each.numel() for each in part.parameters() if each.dim() > 1)
        for name, part in model.named_children()
    }
    assert parts == {
        "source_embedding": 160_000_000,
        "target_embedding": 80_000_000,
        "softmax": 80_000_000,
        "encoder": 32_000_000,
        "decoder": 32_000_000,
        "dropout": 0,
    }
    assert all(each.device.type == "meta" for each in model.parameters())


def test_a_sentence_is_8000_real_numbers() -> None:
    with torch.device("meta"):
        model = Seq2Seq(Shape.of(ModelConfig(), 10, 10))
        words = torch.zeros(3, dtype=torch.long)
        lengths = torch.ones(3, dtype=torch.long, device="cpu")
        hidden, cell = model.encode(PackedSequence(words, lengths)).states
    assert hidden.numel() + cell.numel() == 8000


def test_log_probabilities_are_those_of_the_equations(model: Seq2Seq) -> None:
    sources, targets = [[3, 5], [4, 4, 10], [3, 3]], [[2, 8, 1, 7], [6], [6, 2, 6]]
    expected = sum(log_prob_by_hand(model, s, t) for s, t in zip(sources, targets, strict=True))
    assert float(loss(model, sources, targets).detach()) == pytest.approx(-expected, rel=1e-12)


def test_company_changes_no_gradient(model: Seq2Seq) -> None:
    sources, targets = [[3], [5, 2, 5], [7]], [[2], [6, 6, 1, 4], []]
    pairs = list(zip(sources, targets, strict=True))
    together = gradients(model, sources, targets)
    alone = [gradients(model, [source], [target]) for source, target in pairs]
    summed = [sum(each) for each in zip(*alone, strict=True)]
    torch.testing.assert_close(together, summed, rtol=1e-12, atol=1e-14)


def gradients(model: Seq2Seq, sources: list[list[int]], targets: list[list[int]]) -> list[Tensor]:
    found = torch.autograd.grad(loss(model, sources, targets), list(model.parameters()))
    return [each.to_dense() for each in found]


def test_dropout_is_off_in_evaluation_and_on_in_training() -> None:
    model = Seq2Seq(Shape(11, 9, 2, 5, 4), dropout=0.5)
    source, target = pack([[3, 5]]), pack([[EOS, 2]])
    one, other = (model.decode(target, model.encode(source)) for _ in range(2))
    assert not torch.equal(one, other)
    model.eval()
    one, other = (model.decode(target, model.encode(source)) for _ in range(2))
    assert torch.equal(one, other)


def test_initial_weights_fill_the_range_and_follow_the_generator() -> None:
    shape = Shape(50, 50, 2, 20, 20)
    drawn = []
    for seed in (1, 1, 2):
        model = Seq2Seq(shape)
        model.initialise(0.08, torch.Generator().manual_seed(seed))
        drawn.append(torch.cat([each.detach().flatten() for each in model.parameters()]))
    assert 0.0799 < float(drawn[0].max()) <= 0.08
    assert -0.08 <= float(drawn[0].min()) < -0.0799
    assert abs(float(drawn[0].mean())) < 0.002
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
