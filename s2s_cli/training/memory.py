"""The memory that a training needs, estimated from the sizes of its model and its batches."""

from collections.abc import Iterable
from typing import assert_never

from torch import Tensor
from torch.nn import Parameter

from s2s_cli.model.config import Shape
from s2s_cli.model.placement import Placement
from s2s_cli.model.precision import product_dtype
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.model.softmax import block_rows
from s2s_cli.training.config import TrainingConfig
from s2s_cli.training.optimisers import optimiser_spec

BYTES = 4
# What torch and its kernels take, whatever the model.
RUNTIME_BYTES = 300 << 20


def total_numel(tensors: Iterable[Tensor]) -> int:
    return sum(each.numel() for each in tensors)


def memory_estimate(
    model: Seq2Seq,
    config: TrainingConfig,
    source_length: int,
    target_length: int,
    device_type: str = "cpu",
) -> int:
    """Bytes that training needs at its largest batch, roughly; ``model`` may be on meta.

    Weights, gradients and optimiser state; what the backward pass keeps and makes of every time
    step (four gates and their gradients, four numbers a cell, what is read and written); one block
    of logits.
    """
    shape = model.shape
    source, target = (length * config.batch_size for length in (source_length, target_length + 1))
    return (
        RUNTIME_BYTES
        + weights_bytes(model, config)
        + BYTES
        * (
            shape.directions * shape.layers * of_a_layer(shape.hidden_size, source)
            + shape.depth * of_a_layer(shape.width, target)
            + of_embeddings(shape, source + target)
            + of_logits(shape.target_vocabulary, target, device_type)
            + of_attention(shape, source_length, target_length + 1) * config.batch_size
        )
    )


def weights_bytes(model: Seq2Seq, config: TrainingConfig) -> int:
    """Bytes of weights, gradients and optimiser state; ``model`` may be on meta."""
    tables = total_numel(model.tables())
    return BYTES * trained(total_numel(model.parameters()) - tables, tables, config)


def measured_bytes(model: Seq2Seq, config: TrainingConfig) -> int:
    """Bytes at least of what is measured together: the largest part, or a variant as a whole."""
    if not model.shape.plain:
        return weights_bytes(model, config)
    return 2 * BYTES * max(each.numel() for each in dense_parameters(model))


def dense_parameters(model: Seq2Seq) -> list[Parameter]:
    """All but embeddings."""
    tables = [id(each) for each in model.tables()]
    return [each for each in model.parameters() if id(each) not in tables]


def place_memory(
    model: Seq2Seq,
    config: TrainingConfig,
    placement: Placement,
    place: int,
    source_length: int,
    target_length: int,
) -> int:
    """Bytes that one place of several needs, counted likewise.

    The embeddings are on the first. An output layer that is apart from the top layer has its
    hidden states and their gradients once more. Several slices keep their probabilities of all
    rows, for the gradient of their weights.
    """
    shape, low_bytes = model.shape, bytes_of_products(config)
    steps = (source_length + target_length + 1) * config.batch_size
    numbers, kept = trained(dense(model, placement, place), 0, config), 0
    numbers += placement.layers.count(place) * of_a_layer(shape.hidden_size, steps)
    if place == 0:
        numbers += trained(0, total_numel(model.tables()), config) + of_embeddings(shape, steps)
    for where, words in placement.sliced():
        if where == place:
            rows, size = (target_length + 1) * config.batch_size, words.stop - words.start
            device_type = placement.devices[place].type
            numbers += of_logits(size, rows, device_type) + 2 * rows * shape.hidden_size
            kept = low_bytes * rows * size if placement.keeps else 0
    return RUNTIME_BYTES + BYTES * numbers + kept


def dense(model: Seq2Seq, placement: Placement, place: int) -> int:
    """The parameters of ``place`` that every update steps: all but embeddings."""
    layers = [layer for layer, where in enumerate(placement.layers) if where == place]
    lstms = (model.encoder, model.decoder)
    numbers = sum(total_numel(lstm.all_weights[layer]) for lstm in lstms for layer in layers)
    for where, words in placement.sliced():
        if where == place:
            numbers += (words.stop - words.start) * (model.shape.hidden_size + 1)
    return numbers


def bytes_of_products(config: TrainingConfig) -> int:
    """Bytes of each number that a product reads."""
    return product_dtype(config.precision).itemsize


def trained(others: int, tables: int, config: TrainingConfig) -> int:
    """Numbers of weights, gradients and moments; of the tables' gradients there are a few rows."""
    moments = len(optimiser_spec(config.optimiser).moments)
    return (2 + moments) * others + (1 + moments) * tables


def of_a_layer(cells: int, rows: int) -> int:
    """Numbers that one layer keeps and makes of ``rows`` until it has gone back over them."""
    return 16 * cells * rows


def of_embeddings(shape: Shape, rows: int) -> int:
    """Numbers of the vectors of ``rows`` words and of their gradients."""
    return 4 * shape.embedding_size * rows


def of_attention(shape: Shape, source_length: int, target_length: int) -> int:
    """Numbers that attention keeps and makes of one pair, as far as they grow with both lengths."""
    match shape.attention:
        case "none":
            numbers = 0
        case "dot" | "general":
            numbers = 4
        case "additive":
            numbers = 4 + 3 * shape.width
        case _:
            assert_never(shape.attention)
    return source_length * target_length * numbers


def of_logits(words: int, rows: int, device_type: str) -> int:
    """Numbers of a block of logits of so many words, and what is made of it, given all rows."""
    return 3 * min(rows, block_rows(words, device_type)) * words
