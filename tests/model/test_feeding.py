"""Input feeding and attention beside autograd through every operation, in float64."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from variants import loss, pack

from s2s_cli.model import attention_steps, feeding, layer_steps, projection
from s2s_cli.model.attention import Attention
from s2s_cli.model.cells import cell_step, step_weights
from s2s_cli.model.config import AttentionScore, Cell, Shape
from s2s_cli.model.products import PrepackedLinear
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.text.vocabulary import EOS

RAGGED = [[3, 5], [4, 4, 10, 2], [3, 3, 9]], [[2, 8, 1, 7], [6], [6, 2, 6]]
ONE = [[3, 5, 4]], [[2, 8]]


def drawn(
    cell: Cell,
    score: AttentionScore,
    *,
    feeding: bool,
    both: bool,
    layers: int,
    dropout: float,
    peeky: bool = False,
) -> Seq2Seq:
    beyond: dict[str, Any] = {"bidirectional": True, "bridge": "linear"} if both else {}
    if peeky:
        beyond["peeky"] = True
    if both and score == "dot":
        beyond["decoder_hidden_size"] = 12
    shape = Shape(
        *(11, 9, layers, 6, 5),
        **{"cell": cell, "attention": score, "input_feeding": feeding, **beyond},
    )
    model = Seq2Seq(shape, dropout=dropout).double()
    model.initialise(0.8, torch.Generator().manual_seed(1))
    return model


def attend(attention: Attention, hidden: Tensor, words: Tensor) -> Tensor:
    """Attentional hidden state [1, cells] for ``hidden``, of one source [length, n]."""
    query = F.linear(hidden, attention.query.weight) if attention.query else hidden
    if attention.key is not None and attention.value is not None:
        scores = (query + attention.key(words)).tanh() @ attention.value.weight[0]
    else:
        scores = words @ query[0]
    context = scores.softmax(0)[None] @ words
    return attention.combine(torch.cat([context, hidden], 1)).tanh()  # type: ignore[no-any-return]


def reference_loss(
    model: Seq2Seq, sources: Sequence[list[int]], targets: Sequence[list[int]]
) -> Tensor:
    """The loss of a model with input feeding, the decoder sentence by sentence, by autograd.

    Dropout is drawn for the batch as the model draws it: embeddings, then layer by layer in each
    step, then what the output layer reads.
    """
    shape, p = model.shape, model.dropout.p
    encoded = model.encode(pack(sources))
    assert encoded.words is not None and model.attention is not None
    read = pack([[EOS, *target] for target in targets])
    vectors = model.dropout(model.target_embedding(read.data))
    order, weights = (
        read.sorted_indices,
        [step_weights(shape.cell, model.decoder, layer) for layer in range(shape.depth)],
    )
    assert order is not None
    states = [[tuple(e[k, b][None] for e in encoded.states) for k in range(shape.depth)]
              for b in order]  # fmt: skip
    fed = [vectors.new_zeros(1, shape.width) for _ in targets]
    found = []
    for step in vectors.split(read.batch_sizes.tolist()):
        rows = [torch.cat([row[None], fed[b]], 1) for b, row in enumerate(step)]
        for layer, of in enumerate(weights):
            if layer:
                rows = list(F.dropout(torch.cat(rows), p, p > 0).split(1))
            for b, row in enumerate(rows):
                before = states[b][layer]
                sums = F.linear(row, of.input, of.bias) + F.linear(before[0], of.hidden)
                states[b][layer] = cell_step(shape.cell, sums, before, of.peepholes)
            rows = [states[b][layer][0] for b in range(len(rows))]
        for b, row in enumerate(rows):
            length = len(sources[int(order[b])])
            outputs = encoded.words.encoder_outputs[order[b], :length]
            fed[b] = attend(model.attention, row, outputs)
        found += fed[: len(rows)]
    logits = model.softmax(model.dropout(torch.cat(found)))
    words = pack([[*target, EOS] for target in targets]).data
    return F.cross_entropy(logits, words, reduction="sum")


def gradients(model: Seq2Seq, total: Tensor) -> list[Tensor]:
    return [each.to_dense() for each in torch.autograd.grad(total, list(model.parameters()))]


@pytest.mark.parametrize("cell", ["lstm", "lstm-peephole", "gru", "rnn"])
@pytest.mark.parametrize("score", ["dot", "general", "additive"])
@pytest.mark.parametrize("both", [False, True])
def test_fed_gradients_are_those_of_autograd(cell: Cell, score: AttentionScore, both: bool) -> None:
    for layers, dropout, (sources, targets) in [
        (1, 0.0, RAGGED),
        (2, 0.0, ONE),
        (2, 0.4, RAGGED),
    ]:
        model = drawn(cell, score, feeding=True, both=both, layers=layers, dropout=dropout)
        torch.manual_seed(5)
        total = loss(model, sources, targets)
        torch.manual_seed(5)
        expected = reference_loss(model, sources, targets)
        torch.testing.assert_close(total, expected, rtol=1e-11, atol=1e-11)
        torch.testing.assert_close(
            gradients(model, total), gradients(model, expected), rtol=1e-9, atol=1e-10
        )


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("score", ["general", "additive"])
def test_fed_gradients_are_the_same_where_torch_s_own_layers_make_the_steps(
    cell: Cell, score: AttentionScore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU; dropout draws the same numbers."""
    for dropout, peeky in [(0.0, True), (0.4, False)]:
        model = drawn(cell, score, feeding=True, both=True, layers=2, dropout=dropout, peeky=peeky)
        found = []
        for in_cudnn in (True, False):
            with monkeypatch.context() as patch:
                patch.setattr(feeding, "steps_in_cudnn", lambda layers, _, own=in_cudnn: own)
                torch.manual_seed(5)
                total = loss(model, *RAGGED)
            found.append([total.detach(), *gradients(model, total)])
        torch.testing.assert_close(*found, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("score", ["dot", "general", "additive"])
@pytest.mark.parametrize("both", [False, True])
def test_attention_gradients_are_those_of_autograd(score: AttentionScore, both: bool) -> None:
    for sources, targets in (RAGGED, ONE):
        model = drawn("lstm", score, feeding=False, both=both, layers=2, dropout=0.0)
        attention = model.attention
        assert attention is not None
        read = pack([[EOS, *target] for target in targets])
        outputs = pack(sources)
        generator = torch.Generator().manual_seed(2)
        rows, words = (
            torch.randn(len(each.data), n, generator=generator).double().requires_grad_()
            for each, n in ((read, model.shape.width), (outputs, model.shape.vector_size))
        )
        found = attention(
            read._replace(data=rows), attention.source_words(outputs._replace(data=words))
        )
        of_source = torch.nn.utils.rnn.unpack_sequence(outputs._replace(data=words))
        of_target = torch.nn.utils.rnn.unpack_sequence(read._replace(data=rows))
        alone = [
            torch.cat([attend(attention, row[None], source) for row in target])
            for target, source in zip(of_target, of_source, strict=True)
        ]
        expected = torch.nn.utils.rnn.pack_sequence(alone, enforce_sorted=False).data
        wanted = [rows, words, *attention.parameters()]
        weights = torch.arange(found.numel()).view_as(found).cos()
        both_gradients = (
            torch.autograd.grad((each * weights).sum(), wanted) for each in (found, expected)
        )
        torch.testing.assert_close(*both_gradients, rtol=1e-9, atol=1e-11)


def test_bf16_gradients_of_feeding_are_near_those_of_fp32() -> None:
    model = drawn("lstm", "general", feeding=True, both=True, layers=2, dropout=0.0).float()
    exact = gradients(model, loss(model, *RAGGED))
    with torch.autocast("cpu", torch.bfloat16):
        low = loss(model, *RAGGED)
    for one, other in zip(gradients(model, low), exact, strict=True):
        assert one.dtype == torch.float32
        assert float((one - other).norm() / other.norm()) < 0.1


def test_products_of_a_fed_update_are_as_few_as_they_can_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Weights are laid out once an update; gradients of weights are one product each."""
    counts = {"layouts": 0, "gradients": 0}

    class Counted(PrepackedLinear):
        def __init__(self, *arguments: Tensor | None) -> None:
            counts["layouts"] += 1
            super().__init__(*arguments)  # type: ignore[arg-type]

    def counted(one: Tensor, other: Tensor) -> Tensor:
        counts["gradients"] += 1
        return one @ other

    for module in (attention_steps, layer_steps):
        monkeypatch.setattr(module, "PrepackedLinear", Counted)
    monkeypatch.setattr(projection, "linear", Counted)
    for module in (attention_steps, layer_steps, projection):
        monkeypatch.setattr(module, "matrix_product", counted)
    found = []
    for repeats in (1, 4):
        model = drawn("gru", "general", feeding=True, both=False, layers=2, dropout=0.0)
        targets = [target * repeats for target in RAGGED[1]]
        counts.update(layouts=0, gradients=0)
        loss(model, RAGGED[0], targets).backward()
        found.append(dict(counts))
    # Forward 1 of the words, 2 of each layer and 2 of attention; backward as many but the first.
    # Weights of words (and their rows), 2 of each layer, 2 of attention.
    assert found == [{"layouts": 13, "gradients": 8}] * 2
