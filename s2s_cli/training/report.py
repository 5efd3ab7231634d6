"""What is told before and during a training."""

from collections.abc import Iterable

from torch import Tensor

from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.model.softmax import block_rows
from s2s_cli.training.config import TrainingConfig

BYTES = 4
# What torch and its kernels take, whatever the model.
RUNTIME_BYTES = 300 << 20


def count(tensors: Iterable[Tensor]) -> int:
    return sum(each.numel() for each in tensors)


def parameters(model: Seq2Seq) -> str:
    """The parameters by part, as the paper counts them (§3.4)."""
    parts = {
        "source embeddings": model.source_embedding,
        "target embeddings": model.target_embedding,
        "softmax": model.softmax,
        "encoder": model.encoder,
        "decoder": model.decoder,
    }
    told = ", ".join(f"{name} {count(part.parameters()):,}" for name, part in parts.items())
    return f"{count(model.parameters()):,} parameters: {told}"


def memory_estimate(
    model: Seq2Seq, config: TrainingConfig, source_length: int, target_length: int
) -> int:
    """Bytes that training needs at its largest batch, roughly; ``model`` may be on meta.

    Weights, gradients and optimiser state; what the backward pass keeps and makes of every time
    step (four gates and their gradients, four numbers a cell, what is read and written); one block
    of logits.
    """
    shape = model.shape
    weights = count(model.parameters())
    gradients = weights - count(model.tables())  # of the embeddings there are a few rows
    moments = {"sgd": 0, "adam": 2}[config.optimiser] * weights
    steps = (source_length + target_length + 1) * config.batch_size
    activations = steps * (shape.layers * 16 * shape.hidden_size + 4 * shape.embedding_size)
    block = block_rows(shape.target_vocabulary) * shape.target_vocabulary
    return RUNTIME_BYTES + BYTES * (weights + gradients + moments + activations + 3 * block)


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
