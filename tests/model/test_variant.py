"""Variants of the model against their equations, written out for one sentence in float64."""

import math

import pytest
import torch
from torch import Tensor, nn
from variants import OPTIONS, loss, shape

from s2s_cli.model.attention import Attention
from s2s_cli.model.bridge import LinearBridge, first_states
from s2s_cli.model.config import ModelConfig, Shape
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.text.vocabulary import EOS

SOURCES, TARGETS = [[3, 5], [4, 4, 10, 2], [3, 3, 9]], [[2, 8, 1, 7], [6], [6, 2, 6]]


def cell_by_hand(layers: nn.RNNBase, layer: int, x: Tensor, state: list[Tensor]) -> None:
    """One step of one layer; its states are replaced."""
    named = dict(layers.named_parameters())
    of_x = named[f"weight_ih_l{layer}"] @ x + named[f"bias_ih_l{layer}"]
    of_h = named[f"weight_hh_l{layer}"] @ state[0] + named[f"bias_hh_l{layer}"]
    if isinstance(layers, nn.GRU):
        (r, z, n), (r_h, z_h, n_h) = of_x.chunk(3), of_h.chunk(3)
        r, z = torch.sigmoid(r + r_h), torch.sigmoid(z + z_h)
        state[0] = (1 - z) * torch.tanh(n + r * n_h) + z * state[0]
        return
    if isinstance(layers, nn.RNN):
        state[0] = torch.tanh(of_x + of_h)
        return
    i, f, g, o = (of_x + of_h).chunk(4)
    p = named.get(f"peephole_l{layer}", torch.zeros(3, len(i)).double())
    i, f = torch.sigmoid(i + p[0] * state[1]), torch.sigmoid(f + p[1] * state[1])
    state[1] = f * state[1] + i * torch.tanh(g)
    state[0] = torch.sigmoid(o + p[2] * state[1]) * torch.tanh(state[1])


def read_by_hand(layers: nn.RNNBase, x: Tensor, states: list[list[Tensor]]) -> Tensor:
    for layer, state in enumerate(states):
        cell_by_hand(layers, layer, x, state)
        x = state[0]
    return x


def zeros(count: int, parts: int, cells: int) -> list[list[Tensor]]:
    return [[torch.zeros(cells).double() for _ in range(parts)] for _ in range(count)]


@torch.no_grad()
def encoded_by_hand(model: Seq2Seq, source: list[int]) -> tuple[list[list[Tensor]], Tensor, Tensor]:
    """First states of the decoder, sentence vector, and a vector for each word."""
    s, parts = model.shape, len(model.shape.states)
    readers = [each for each in (model.encoder, model.encoder_backward) if each is not None]
    lasts, tops = [], []
    for number, reader in enumerate(readers):
        states = zeros(s.layers, parts, s.hidden_size)
        words = source[::-1] if number else source
        top = [read_by_hand(reader, model.source_embedding.weight[w], states) for w in words]
        tops.append(top[::-1] if number else top)
        lasts.append(states)
    vector = torch.cat([states[-1][0] for states in lasts])
    memory = torch.stack([torch.cat(each) for each in zip(*tops, strict=True)])
    first = zeros(s.depth, parts, s.width)
    if s.bridge == "copy":
        first = lasts[0]
    elif s.bridge == "linear":
        every = [layer[part] for part in range(parts) for states in lasts for layer in states]
        if isinstance(model.bridge, LinearBridge):
            made = model.bridge.linear(torch.cat(every)).view(parts, s.depth, s.width)
        else:
            assert model.bridge is not None
            made = 0.01 * model.bridge.difference(torch.cat(every)).view(parts, s.depth, s.width)
            width = min(s.width, s.hidden_size)
            for part in range(parts):
                for layer in range(s.depth):
                    given = max(0, s.layers - s.depth + layer)
                    made[part, layer, :width] += sum(each[given][part][:width] for each in lasts)
        first = [[made[0][d].tanh(), *([made[1][d]] if parts > 1 else [])] for d in range(s.depth)]
    return first, vector, memory


@torch.no_grad()
def log_prob_by_hand(model: Seq2Seq, source: list[int], target: list[int]) -> float:
    s = model.shape
    states, vector, memory = encoded_by_hand(model, source)
    found, total = torch.zeros(s.width).double(), 0.0
    for read, word in zip([EOS, *target], [*target, EOS], strict=True):
        x = [model.target_embedding.weight[read]]
        x += [vector] if s.peeky or s.bridge == "concat" else []
        x += [found] if s.input_feeding else []
        found = read_by_hand(model.decoder, torch.cat(x), states)
        if model.attention is not None:
            scores = torch.stack([score_by_hand(model.attention, found, each) for each in memory])
            context = scores.softmax(0) @ memory
            found = (model.attention.combine.weight @ torch.cat([context, found])).tanh()
        seen = torch.cat([found, vector]) if s.peeky else found
        logits = model.softmax.weight @ seen + model.softmax.bias
        total += float(logits[word]) - math.log(float(logits.exp().sum()))
    return total


def score_by_hand(attention: Attention, hidden: Tensor, word: Tensor) -> Tensor:
    named = dict(attention.named_parameters())
    match attention.score:
        case "dot":
            return hidden @ word
        case "general":
            return (named["query.weight"] @ hidden) @ word
        case "additive":
            key = named["key.weight"] @ word + named["key.bias"]
            value: Tensor = named["value.weight"][0] @ (named["query.weight"] @ hidden + key).tanh()
            return value


def drawn(name: str) -> Seq2Seq:
    model = Seq2Seq(shape(name)).double()
    model.initialise(0.8, torch.Generator().manual_seed(1))
    return model


@pytest.mark.parametrize("name", OPTIONS)
def test_log_probabilities_are_those_of_the_equations(name: str) -> None:
    model = drawn(name)
    expected = sum(log_prob_by_hand(model, s, t) for s, t in zip(SOURCES, TARGETS, strict=True))
    assert float(loss(model, SOURCES, TARGETS).detach()) == pytest.approx(-expected, rel=1e-12)


@pytest.mark.parametrize("name", OPTIONS)
def test_every_parameter_learns_and_company_changes_no_gradient(name: str) -> None:
    model = drawn(name)

    def gradients(sources: list[list[int]], targets: list[list[int]]) -> list[Tensor]:
        found = torch.autograd.grad(loss(model, sources, targets), list(model.parameters()))
        return [each.to_dense() for each in found]

    together = gradients(SOURCES, TARGETS)
    alone = [gradients([s], [t]) for s, t in zip(SOURCES, TARGETS, strict=True)]
    summed = [sum(each) for each in zip(*alone, strict=True)]
    torch.testing.assert_close(together, summed, rtol=1e-10, atol=1e-12)
    assert all(bool(each.any()) for each in together)


@pytest.mark.parametrize(
    ("depth", "given"), [(1, [2]), (2, [1, 2]), (3, [0, 1, 2]), (5, [0, 0, 0, 1, 2])]
)
def test_without_attention_a_linear_bridge_starts_near_a_copy(depth: int, given: list[int]) -> None:
    shape = Shape(11, 9, 3, 6, 5, bridge="linear", decoder_layers=depth, decoder_hidden_size=4)
    model = Seq2Seq(shape)
    model.initialise(0.08, torch.Generator().manual_seed(1))
    hidden, cell = (torch.rand(3, 2, 6, generator=torch.Generator().manual_seed(2)) for _ in "hc")
    first_hidden, first_cell = first_states(shape, model.bridge, [(hidden, cell)])
    assert (first_hidden - hidden[given, :, :4].tanh()).abs().max() < 0.02
    assert (first_cell - cell[given, :, :4]).abs().max() < 0.02


@pytest.mark.parametrize("name", OPTIONS)
def test_bf16_is_near_fp32(name: str) -> None:
    """Products of several types in one model must not meet."""
    model = drawn(name).float()
    exact = float(loss(model, SOURCES, TARGETS).detach())
    with torch.autocast("cpu", torch.bfloat16):
        low = loss(model, SOURCES, TARGETS)
    low.backward()
    assert float(low.detach()) == pytest.approx(exact, rel=0.05)
    assert all(each.grad is not None for each in model.parameters())


@pytest.mark.parametrize("name", ["feeding-all", "peeky", "gru"])
def test_dropout_is_off_in_evaluation_and_on_in_training(name: str) -> None:
    model = Seq2Seq(shape(name), dropout=0.5)
    model.initialise(0.8, torch.Generator().manual_seed(1))
    one, other = (float(loss(model, SOURCES, TARGETS).detach()) for _ in range(2))
    assert one != other
    model.eval()
    one, other = (float(loss(model, SOURCES, TARGETS).detach()) for _ in range(2))
    assert one == other


def test_the_paper_s_model_stays_the_plain_one() -> None:
    plain = Shape.of(ModelConfig(layers=1, hidden_size=2, embedding_size=2), 5, 5)
    assert plain.plain
    assert set(plain.as_json()) == {
        *("source_vocabulary", "target_vocabulary", "layers", "hidden_size", "embedding_size"),
    }
    config = ModelConfig(layers=2, hidden_size=3, decoder_layers=2, decoder_hidden_size=3)
    assert Shape.of(config, 5, 5).plain  # the same sizes, said


@pytest.mark.parametrize("name", OPTIONS)
def test_a_shape_comes_back_from_its_description(name: str) -> None:
    assert Shape.from_json(shape(name).as_json()) == shape(name)
    assert not shape(name).plain


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"cell": "lsmt"}, "cell is not one of lstm, lstm-peephole, gru, rnn"),
        ({"peeky": 1}, "peeky is neither true nor false"),
        ({"decoder_layers": -1}, "decoder_layers is not a positive number"),
        ({"decoder_layers": True}, "decoder_layers is not a positive number"),
        ({"attention": ["dot"]}, "attention is not one of"),
        ({"input_feeding": True}, "--input-feeding feeds what attention found"),
        ({"bidirectional": True}, "--bridge copy does not fit two encoders"),
        ({"decoder_layers": 9}, "--bridge copy does not fit a decoder of another depth or width"),
        ({"attention": "dot", "bidirectional": True, "bridge": "linear"}, "compares 6 numbers"),
        ({"heads": 8}, "its entries are not those of a model's shape"),
    ],
)
def test_what_is_no_shape_is_refused(change: dict[str, object], told: str) -> None:
    value = {**Shape(11, 9, 2, 6, 5).as_json(), **change}
    with pytest.raises(ValueError, match=told):
        Shape.from_json(value)
