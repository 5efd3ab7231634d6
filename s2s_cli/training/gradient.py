"""The gradient of a batch, whole or, where a GPU's memory runs out, in parts.

What memory a training needs, its largest batch takes; it is tried first.
"""

import torch
from torch import Tensor

from s2s_cli.console import warn
from s2s_cli.data.batches import make_batch
from s2s_cli.data.corpus import Split
from s2s_cli.distributed.replica import Replica
from s2s_cli.model.pipeline import Model
from s2s_cli.training import update
from s2s_cli.training.config import TrainingConfig
from s2s_cli.training.optimisers import Optimisers


class Gradient:
    """Sets a model's gradient, that of sentence pairs of a corpus."""

    def __init__(
        self, model: Model, split: Split, device: torch.device, config: TrainingConfig
    ) -> None:
        """Ready for batches of ``split``; ``device`` has the input of ``model``."""
        self.model, self.split, self.device = model, split, device
        self.bf16 = config.precision == "bf16"
        self.told = False

    def __call__(self, sentences: Tensor, batch_size: float) -> Tensor:
        """Set the gradient, whatever was there; the loss summed over words.

        Gradients of parts add up to that of the whole, to rounding.

        Args:
            sentences: numbers of the pairs.
            batch_size: see `update.gradient`.

        Raises:
            torch.OutOfMemoryError: a single pair is too large.
        """
        parts = 1
        while True:
            try:
                return self.in_parts(sentences, parts, batch_size)
            except torch.OutOfMemoryError:
                if parts == len(sentences):
                    raise
            # Outside the handler: the error holds on to all that the attempt has allocated.
            self.model.zero_grad()
            torch.cuda.empty_cache()
            self.tell()
            parts = min(2 * parts, len(sentences))

    def in_parts(self, sentences: Tensor, parts: int, batch_size: float) -> Tensor:
        """The same of so many parts, one after another."""
        self.model.train()
        self.model.zero_grad()
        losses = []
        for part in range(parts):  # taken here and there, so that they are alike in length
            batch = make_batch(self.split, sentences[part::parts]).to(self.device)
            losses.append(update.gradient(self.model, batch, batch_size, bf16=self.bf16))
        return torch.stack(losses).sum()

    def tell(self) -> None:
        """Say once that there are parts."""
        if not self.told:
            warn(
                "memory does not hold the largest batches: they are computed in parts, with the "
                "same gradient"
            )
        self.told = True


def largest(split: Split, plan: list[Tensor]) -> Tensor:
    """The batch of ``plan`` with the most words; its sentence numbers."""
    words = split.source.lengths() + split.target.lengths()
    ends = torch.tensor([len(each) for each in plan]).cumsum(0)
    upto = words[torch.cat(plan)].cumsum(0)[ends - 1]
    return plan[int(upto.diff(prepend=upto.new_zeros(1)).argmax())]


def try_gradient(
    gradient: Gradient,
    sentences: Tensor,
    optimisers: Optimisers,
    replica: Replica,
) -> None:
    """Compute the gradient of ``sentences`` and forget it: if memory runs out, it does so now.

    No number of the training changes, what chance decides included.
    """
    mine, _ = replica.shard_batch(sentences)
    with torch.random.fork_rng({each for each in replica.devices if each.type == "cuda"}):
        room = optimisers.reserved_moments()
        gradient(mine, len(sentences))
    gradient.model.zero_grad()
    del room
