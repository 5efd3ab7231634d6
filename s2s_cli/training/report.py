"""Messages before a training, and times."""

from collections.abc import Iterator
from dataclasses import replace

from s2s_cli.console import fitted
from s2s_cli.distributed.replica import Replica
from s2s_cli.model.parameters import parameter_counts
from s2s_cli.model.placement import Placement
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.training.config import TrainingConfig
from s2s_cli.training.memory import memory_estimate, place_memory


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
        needed = gibibytes(memory_estimate(model, share, *longest, replica.devices[0].type))
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
    return f"{fitted(minutes / 60 / 24, 6, 1)} days"
