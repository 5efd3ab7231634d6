"""Batches of equal source length, in an order that seed and epoch alone decide."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from s2s_cli.data.corpus import Side, Split
from s2s_cli.text.vocabulary import EOS

# Sentences of one source length are sorted by target length within pools of so many batches:
# enough to leave little padding, few enough that a batch's company changes from epoch to epoch.
POOL_BATCHES = 8
# Targets are padded to a multiple of this: few shapes, so that prepared kernels are used again.
STEP_MULTIPLE = 4


@dataclass(frozen=True)
class Batch:
    """Sentence pairs of one source length, time-major.

    Attributes:
        source: [source length, batch] ids, no padding.
        target_input: [target length, batch] ids; `EOS`, the words, then padding (`EOS` again).
        positions: [words] where the flattened ``target_input`` is not padding.
        words: [words] the id that follows each of those; every target ends with `EOS`.
    """

    source: Tensor
    target_input: Tensor
    positions: Tensor
    words: Tensor

    @property
    def sentences(self) -> int:
        return self.source.shape[1]

    @property
    def running_words(self) -> int:
        """Words of both languages, neither padding nor `EOS` counted."""
        return self.source.numel() + self.words.numel() - self.sentences

    def to(self, device: torch.device) -> "Batch":
        moved = (
            each.to(device, non_blocking=True)
            for each in (self.source, self.target_input, self.positions, self.words)
        )
        return Batch(*moved)


def plan_epoch(split: Split, batch_size: int, seed: int, epoch: int) -> list[Tensor]:
    """The sentence numbers of each batch of an epoch, in order.

    Every pair is in exactly one batch; all sources of a batch have one length, and its targets
    about one (§3.4). The same arguments always give the same plan.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    shuffled = torch.randperm(len(split), generator=generator)
    batches = cut(split, shuffled, batch_size)
    order = torch.randperm(len(batches), generator=generator).tolist()
    return [batches[index] for index in order]


def plan_in_order(split: Split, batch_size: int) -> list[Tensor]:
    """The same kind of batches without chance, for validation."""
    return cut(split, torch.arange(len(split)), batch_size)


def cut(split: Split, order: Tensor, batch_size: int) -> list[Tensor]:
    """Cut ``order`` into batches of one source length and of similar target lengths."""
    source_lengths, target_lengths = split.source.lengths(), split.target.lengths()
    order = order[source_lengths[order].argsort(stable=True)]
    group_sizes = source_lengths[order].unique_consecutive(return_counts=True)[1]
    starts = group_sizes.cumsum(0) - group_sizes
    rank = torch.arange(len(order)) - starts.repeat_interleave(group_sizes)
    # Sorting by pool last, and stably, leaves each pool sorted by target length.
    pool = starts.repeat_interleave(group_sizes) + rank // (POOL_BATCHES * batch_size)
    by_target = target_lengths[order].argsort(stable=True)
    by_pool = pool[by_target].argsort(stable=True)
    order = order[by_target[by_pool]]
    batches: list[Tensor] = []
    for group in order.split(group_sizes.tolist()):
        # Full batches and one with the rest: the fewer sizes, the fewer kernels to prepare.
        batches.extend(group.split(batch_size))
    return batches


def batches(split: Split, plan: list[Tensor]) -> Iterator[Batch]:
    """The batches of ``plan``, one at a time."""
    for sentences in plan:
        yield make_batch(split, sentences)


def make_batch(split: Split, sentences: Tensor) -> Batch:
    """Gather sentence pairs of one source length from the corpus."""
    source, _ = gather(split.source, sentences)
    target, real = gather(split.target, sentences, STEP_MULTIPLE, spare=1)
    # EOS and the words before; each predicts the next word, the last word predicts EOS.
    target_input = target.roll(1, 0)
    predicts = real.roll(1, 0)
    predicts[0] = True
    positions = predicts.flatten().nonzero().squeeze(1)
    return Batch(source, target_input, positions, target.flatten()[positions])


def gather(
    side: Side, sentences: Tensor, multiple: int = 1, spare: int = 0
) -> tuple[Tensor, Tensor]:
    """Ids [steps, batch], `EOS` where a sentence has ended, and where it has not.

    There are as many steps as the longest sentence and ``spare`` ones need, rounded up to a
    ``multiple``.
    """
    starts = side.offsets[sentences]
    lengths = side.offsets[sentences + 1] - starts
    needed = int(lengths.max()) + spare
    steps = torch.arange(-(-needed // multiple) * multiple)[:, None]
    real = steps < lengths
    ids = side.ids[torch.where(real, starts + steps, 0)].long()
    return torch.where(real, ids, EOS), real
