"""Input feeding: the decoder reads the attentional hidden state of the step before (Luong et al.
2015, §3.3), so that its steps follow one another, and its layers cannot read all steps at once.

What can be computed for all steps at once, is: the first layer's products of the words (once for
each distinct one) and of the sentence vectors (once a sentence), and on the way back the gradients
of all weights and of the encoder's outputs. A step has products with weights that were laid out
once, and the gradient is written by hand.

That is thousands of small operations, between which a GPU would wait for the host. There cuDNN has
all layers of a step in one operation, and torch the gradient.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.utils.rnn import PackedSequence

from s2s_cli.model.attention import Attention, SourceWords
from s2s_cli.model.attention_steps import AttentionSteps
from s2s_cli.model.cell_layer import Kernel
from s2s_cli.model.cells import peepholes_of
from s2s_cli.model.config import AttentionScore, Cell
from s2s_cli.model.encoder import Encoded
from s2s_cli.model.layer_steps import LayerSteps
from s2s_cli.model.packed import PackedLayers, words_and_index
from s2s_cli.model.precision import autocast_dtype, full_precision
from s2s_cli.model.projection import project
from s2s_cli.model.recurrent import cell_kernel
from s2s_cli.model.sequences import States, batch_index


class Plan(NamedTuple):
    """Settings of a fed decoder, all but its tensors.

    Attributes:
        kernel: of the layers' cells.
        score: of attention.
        sizes: rows of each time step.
        dtype: of products with weights.
        dropout: between layers; 0 in evaluation.
        layers: how many.
    """

    kernel: Kernel
    score: AttentionScore
    sizes: list[int]
    dtype: torch.dtype
    dropout: float
    layers: int


def steps_in_cudnn(layers: PackedLayers, device_type: str) -> bool:
    """Return whether cuDNN has the steps of ``layers`` on a device of this type."""
    return layers.in_cudnn and device_type != "cpu"


def decode_feeding(
    cell: Cell,
    layers: PackedLayers,
    attention: Attention,
    table: nn.Embedding,
    dropout: nn.Dropout,
    words: PackedSequence,
    encoded: Encoded,
) -> Tensor:
    """Attentional hidden states at all steps: [rows, cells], those of ``words.data``.

    Args:
        cell: of the layers.
        layers: of the decoder.
        attention: to the words of the source.
        table: of embeddings.
        dropout: of what is looked up there.
        words: ids that the decoder reads, packed.
        encoded: the sources.
    """
    order = words.sorted_indices
    assert order is not None and encoded.words is not None
    dtype = autocast_dtype(table.weight)
    with full_precision(table.weight):
        source = encoded.words.sorted(order)
        states = [each.index_select(1, order) for each in encoded.states]
        if steps_in_cudnn(layers, words.data.device.type):
            rows = dropout(table(words.data))
            if encoded.vector is not None:
                beside = encoded.vector.index_select(0, batch_index(words))
                rows = torch.cat([rows, beside], 1)
            steps = rows.split(words.batch_sizes.tolist())
            return feed_steps(layers, attention, steps, source, tuple(states), dtype)
        sums = known_sums(layers, table, dropout, words, encoded.vector, dtype)
        between = layers.dropout if layers.training else 0.0
        sizes = words.batch_sizes.tolist()
        plan = Plan(*(cell_kernel(cell), attention.score, sizes, dtype, between, layers.num_layers))
        attentional: Tensor = _FedDecoder.apply(  # type: ignore[no-untyped-call]
            *(plan, sums, source.source_mask, source.encoder_outputs, source.keys),
            attention.query.weight if attention.query else None,
            attention.combine.weight,
            attention.value.weight if attention.value else None,
            *layer_tensors(layers),
            *(layer for each in states for layer in each.unbind()),
        )
    return attentional


def feed_steps(
    layers: PackedLayers,
    attention: Attention,
    steps: Sequence[Tensor],
    source: SourceWords,
    states: States,
    dtype: torch.dtype,
) -> Tensor:
    """Attentional hidden states at all steps, by torch's own layers: [rows, cells].

    Args:
        layers: of the decoder.
        attention: to the words of the source.
        steps: [sentences that go on, size] each: what is read at a step beside what is fed.
        source: words of the sentences, in the order of the rows.
        states: [layers, sentences, cells] each, before the first step.
        dtype: of products with weights outside the layers.
    """
    fed = steps[0].new_zeros(len(steps[0]), layers.hidden_size)
    found = []
    for known in steps:
        size = len(known)
        hidden, states = layers.read_step(torch.cat([known, fed[:size]], 1), states)
        fed = attention.step(hidden, source.first(size), dtype)
        found.append(fed)
    return torch.cat(found)


def known_sums(
    layers: nn.RNNBase,
    table: nn.Embedding,
    dropout: nn.Dropout,
    words: PackedSequence,
    vectors: Tensor | None,
    dtype: torch.dtype,
) -> Tensor:
    """The first layer's sums of all that it reads but the fed state: [rows, n · cells]."""
    known = layers.all_weights[0][0][:, : -layers.hidden_size]
    bias = layers.all_weights[0][2]
    of_word, of_vector = known[:, : table.embedding_dim], known[:, table.embedding_dim :]
    if dropout.training and dropout.p > 0:
        sums = project(dropout(table(words.data)), of_word, bias, dtype=dtype)
    else:
        distinct, index = words_and_index(words.data)
        sums = project(table(distinct), of_word, bias, dtype=dtype)
        sums = sums if index is None else sums.index_select(0, index)
    if vectors is not None:
        by_vector = project(vectors, of_vector, dtype=dtype)
        sums = sums + by_vector.index_select(0, batch_index(words))
    return sums


def layer_tensors(layers: nn.RNNBase) -> list[Tensor | None]:
    """The tensors of each layer, as `LayerSteps` takes them; the first's read what is fed."""
    tensors: list[Tensor | None] = []
    for layer in range(layers.num_layers):
        weights: list[Tensor | None] = [*layers.all_weights[layer], peepholes_of(layers, layer)]
        if layer == 0:
            weights[0], weights[2] = layers.all_weights[0][0][:, -layers.hidden_size :], None
        tensors += weights
    return tensors


class _FedDecoder(torch.autograd.Function):
    """All steps of all layers and of attention: [rows, cells] of attentional hidden states."""

    @staticmethod
    def forward(
        ctx: Any,
        plan: Plan,
        sums: Tensor,
        mask: Tensor,
        outputs: Tensor,
        keys: Tensor,
        query: Tensor | None,
        combine: Tensor,
        value: Tensor | None,
        *of_layers: Any,
    ) -> Tensor:
        rows, cells = len(sums), combine.shape[0]
        split = 5 * plan.layers
        layers = [
            LayerSteps(plan.kernel, of_layers[start : start + 5], rows, plan.dtype)
            for start in range(0, split, 5)
        ]
        attention = AttentionSteps(
            plan.score, mask, outputs, keys, query, combine, value, rows, plan.dtype
        )
        states = [tuple(of_layers[split + layer :: plan.layers]) for layer in range(plan.layers)]
        found = sums.new_empty(rows, cells)
        fed, known, masks, start = sums.new_zeros(plan.sizes[0], cells), sums.to(plan.dtype), [], 0
        for size in plan.sizes:
            own = slice(start, start + size)
            read, drops = fed[:size], list[Tensor]()
            for number, layer in enumerate(layers):
                if number and plan.dropout > 0:
                    drops.append(dropout_mask(read, plan.dropout))
                    read = read * drops[-1]
                before = tuple(each[:size] for each in states[number])
                states[number] = layer.forward(
                    own, read, known[own] if not number else None, before
                )
                read = states[number][0]
            fed = attention.forward(own, read)
            found[own] = fed
            masks.append(drops)
            start = own.stop
        ctx.plan, ctx.layers, ctx.attention, ctx.masks = plan, layers, attention, masks
        ctx.first = of_layers[split:]
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_found: Tensor) -> tuple[Any, ...]:
        plan, layers, attention = ctx.plan, ctx.layers, ctx.attention
        d_states = [
            tuple(map(torch.zeros_like, ctx.first[layer :: plan.layers]))
            for layer in range(plan.layers)
        ]
        attention.start_backward(plan.sizes)
        for layer in layers:
            layer.start_backward()
        d_fed = d_found.new_zeros(plan.sizes[0], d_found.shape[1])
        end = len(d_found)
        for size in reversed(plan.sizes):
            own, drops = slice(end - size, end), ctx.masks.pop()
            d_read = attention.backward(own, d_found[own] + d_fed[:size])
            for number in reversed(range(plan.layers)):
                gradients = tuple(each[:size] for each in d_states[number])
                gradients[0].add_(d_read)
                d_read = layers[number].backward(own, gradients)
                if number and plan.dropout > 0:
                    d_read = d_read * drops[number - 1]
            d_fed[:size] = d_read
            end = own.start
        d_sums = layers[0].of_inputs[: len(d_found)].to(d_found.dtype)
        return (
            *(None, d_sums, None, *attention.gradients(plan.sizes)),
            *(each for layer in layers for each in layer.gradients()),
            *(each[kind] for kind in range(len(d_states[0])) for each in d_states),
        )


def dropout_mask(rows: Tensor, dropout: float) -> Tensor:
    """Factors of dropout: 0 with probability ``dropout``, so that the mean is 1.

    On a CPU the random numbers are those that `torch.nn.functional.dropout` draws.
    """
    return torch.empty_like(rows).bernoulli_(1 - dropout).div_(1 - dropout)
