"""Messages before and during a training."""

from collections.abc import Iterator
from dataclasses import replace

from s2s_cli.console import readable
from s2s_cli.distributed.replica import Replica
from s2s_cli.model.parameters import parameter_counts
from s2s_cli.model.placement import Placement
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.training.config import TrainingConfig
from s2s_cli.training.losses import has_diverged
from s2s_cli.training.memory import memory_estimate, place_memory
from s2s_cli.training.metrics import ValidationMetrics, WindowMetrics


def parameters(model: Seq2Seq) -> str:
    """The parameters by part, as the paper counts them (§3.4)."""
    counts = parameter_counts(model.shape)
    sizes = ", ".join(f"{part} {count:,}" for part, count in counts.items())
    return f"{sum(counts.values()):,} parameters: {sizes}"


def devices(
    model: Seq2Seq, config: TrainingConfig, replica: Replica, longest: tuple[int, int]
) -> Iterator[str]:
    """The part of the model on each device, and its memory for a batch of the longest pairs."""
    count = replica.world_size
    if count > 1:
        yield f"{count} processes, each with a copy of the model and a share of every batch"
    share = replace(config, batch_size=-(-config.batch_size // count))
    if len(replica.devices) == 1:
        needed = gibibytes(memory_estimate(model, share, *longest))
        each = " in each process" if count > 1 else ""
        yield f"memory: about {needed} on {replica.devices[0]}{each} for the largest batch"
        return
    if not model.shape.plain:
        return  # `spread` will refuse
    placed = Placement.of(model.shape, replica.devices)
    for place, device in enumerate(replica.devices):
        what = placed.what(place) or "nothing, the model is too small"
        needed = gibibytes(place_memory(model, share, placed, place, *longest))
        yield f"device {place} ({device}): {what}; memory about {needed} for the largest batch"


def gibibytes(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"


def duration(seconds: float) -> str:
    """``90.0`` → ``1 min``; hours and days for longer times."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes / 60 / 24:.1f} days"


def window(metrics: WindowMetrics, left: str) -> str:
    """The line of the log on the updates since the last one; ``left`` is the time to the end."""
    skipped = f"  {metrics.skipped:,} updates skipped" if metrics.skipped else ""
    return (
        f"update {metrics.update:,}  epoch {metrics.epoch:.2f}  loss {readable(metrics.loss, 4)}  "
        f"rate {metrics.learning_rate:g}  norm {readable(metrics.gradient_norm, 2)}  "
        f"{metrics.words_per_second:,.0f} words/s  {left} left{skipped}"
    )


def validation(metrics: ValidationMetrics, unit: str, best: float | None, words: int) -> str:
    """The line on a validation.

    Args:
        metrics: of it.
        unit: of its perplexity, where it is not words.
        best: the perplexity that it is not below; None where it is the best so far.
        words: of the target vocabulary.
    """
    found = metrics.validation_perplexity
    if has_diverged(found, words):
        compared = (
            f"the training has diverged: guessing has {words:,}; train anew with a lower "
            "--learning-rate"
        )
    else:
        compared = "best so far" if best is None else f"best {readable(best, 3)}"
    return (
        f"update {metrics.update:,}  validation perplexity {readable(found, 3)}{unit}  ({compared})"
    )
