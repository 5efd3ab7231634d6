"""What is told before and during a training."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from torch import Tensor

from s2s_cli.distributed.replica import Replica
from s2s_cli.model.config import Shape
from s2s_cli.model.placement import Placement
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.model.softmax import block_rows
from s2s_cli.model.variant import AnySeq2Seq, VariantSeq2Seq
from s2s_cli.training.config import TrainingConfig
from s2s_cli.training.optimisers import optimiser_spec

BYTES = 4
# What torch and its kernels take, whatever the model.
RUNTIME_BYTES = 300 << 20


def count(tensors: Iterable[Tensor]) -> int:
    return sum(each.numel() for each in tensors)


def parameters(model: AnySeq2Seq) -> str:
    """The parameters by part, as the paper counts them (§3.4)."""
    parts = {
        "source embeddings": model.source_embedding,
        "target embeddings": model.target_embedding,
        "softmax": model.softmax,
        "encoder": model.encoder,
        "decoder": model.decoder,
    }
    if isinstance(model, VariantSeq2Seq):
        names = ("encoder_backward", "bridge", "attention")
        parts |= {
            name.replace("_", " "): getattr(model, name) for name in names if hasattr(model, name)
        }
    told = ", ".join(f"{name} {count(part.parameters()):,}" for name, part in parts.items())
    return f"{count(model.parameters()):,} parameters: {told}"


def devices(
    model: AnySeq2Seq, config: TrainingConfig, replica: Replica, longest: tuple[int, int]
) -> Iterator[str]:
    """What each device has, and the memory that this takes for a batch of the longest pairs."""
    count = replica.world_size
    if count > 1:
        yield f"{count} processes, each with a copy of the model and a share of every batch"
    share = replace(config, batch_size=-(-config.batch_size // count))
    if len(replica.devices) == 1:
        needed = gibibytes(memory_estimate(model, share, *longest))
        each = " in each process" if count > 1 else ""
        yield f"memory: about {needed} on {replica.devices[0]}{each} for the largest batch"
        return
    if not isinstance(model, Seq2Seq):
        return  # `spread` will refuse
    placed = Placement.of(model.shape, replica.devices)
    for place, device in enumerate(replica.devices):
        what = placed.what(place) or "nothing, the model is too small"
        needed = gibibytes(place_memory(model, share, placed, place, *longest))
        yield f"device {place} ({device}): {what}; memory about {needed} for the largest batch"


def memory_estimate(
    model: AnySeq2Seq, config: TrainingConfig, source_length: int, target_length: int
) -> int:
    """Bytes that training needs at its largest batch, roughly; ``model`` may be on meta.

    Weights, gradients and optimiser state; what the backward pass keeps and makes of every time
    step (four gates and their gradients, four numbers a cell, what is read and written); one block
    of logits.
    """
    shape = model.shape
    source, target = (length * config.batch_size for length in (source_length, target_length + 1))
    tables = count(model.tables())
    return RUNTIME_BYTES + BYTES * (
        trained(count(model.parameters()) - tables, tables, config)
        + shape.readers * shape.layers * of_a_layer(shape.hidden_size, source)
        + shape.depth * of_a_layer(shape.width, target)
        + of_embeddings(shape, source + target)
        + of_logits(shape.target_vocabulary)
        + of_attention(shape, source_length, target_length + 1) * config.batch_size
    )


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
        numbers += trained(0, count(model.tables()), config) + of_embeddings(shape, steps)
    for where, words in placement.sliced():
        if where == place:
            rows, size = (target_length + 1) * config.batch_size, words.stop - words.start
            numbers += of_logits(size) + 2 * rows * shape.hidden_size
            kept = low_bytes * rows * size if placement.keeps else 0
    return RUNTIME_BYTES + BYTES * numbers + kept


def dense(model: Seq2Seq, placement: Placement, place: int) -> int:
    """The parameters of ``place`` that every update steps: all but embeddings."""
    layers = [layer for layer, where in enumerate(placement.layers) if where == place]
    lstms = (model.encoder, model.decoder)
    numbers = sum(count(lstm.all_weights[layer]) for lstm in lstms for layer in layers)
    for where, words in placement.sliced():
        if where == place:
            numbers += (words.stop - words.start) * (model.shape.hidden_size + 1)
    return numbers


def bytes_of_products(config: TrainingConfig) -> int:
    """Bytes of each number that a product reads."""
    return 2 if config.precision == "bf16" else BYTES


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
    if shape.attention == "none":
        return 0
    each = 3 * shape.width if shape.attention == "additive" else 0
    return source_length * target_length * (4 + each)


def of_logits(words: int) -> int:
    """Numbers of a block of logits of so many words, and what is made of it."""
    return 3 * block_rows(words) * words


def gibibytes(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"


def duration(seconds: float) -> str:
    """``90.0`` → ``1 min``; hours and days where they tell more."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes / 60 / 24:.1f} days"
