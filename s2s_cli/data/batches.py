"""Batches of like length, in an order that seed and epoch alone decide."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from s2s_cli.data.corpus import Side, Split

# Sentences of about one source length are sorted by target length within pools of so many
# batches: enough that the targets of a batch are alike too, few enough that the batches
# change from epoch to epoch.
POOL_BATCHES = 8


@dataclass(frozen=True)
class Batch:
    """Sentence pairs, time-major and packed: time step after time step, without padding.

    Attributes:
        source: ids of the sources.
        target_input: ids of the targets, each with `EOS` before its words.
        words: the id that follows each of ``target_input.data``; every target ends with `EOS`.
    """

    source: PackedSequence
    target_input: PackedSequence
    words: Tensor

    @property
    def sentences(self) -> int:
        return int(self.source.batch_sizes[0])

    def to(self, device: torch.device) -> "Batch":
        return Batch(
            packed_to_device(self.source, device),
            packed_to_device(self.target_input, device),
            self.words.to(device, non_blocking=True),
        )


def plan_epoch(split: Split, batch_size: int, seed: int, epoch: int) -> list[Tensor]:
    """Draw the sentence numbers of each batch of an epoch, in order.

    Every pair is in exactly one batch; sources and targets of a batch have about one length each
    (§3.4), and all batches but one are full. The same arguments always give the same plan.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    shuffled = torch.randperm(len(split), generator=generator)
    batches = cut_batches(split, shuffled, batch_size)
    order = torch.randperm(len(batches), generator=generator).tolist()
    return [batches[index] for index in order]


def plan_in_order(split: Split, batch_size: int) -> list[Tensor]:
    """Plan the same kind of batches without chance, for validation."""
    return cut_batches(split, torch.arange(len(split)), batch_size)


def cut_batches(split: Split, order: Tensor, batch_size: int) -> list[Tensor]:
    """Cut ``order`` into batches of similar source lengths and, among these, target lengths."""
    order = order[split.source.lengths()[order].argsort(stable=True)]
    pool = torch.arange(len(order)) // (POOL_BATCHES * batch_size)
    # Sorting by pool last, and stably, leaves each pool sorted by target length.
    by_target = split.target.lengths()[order].argsort(stable=True)
    by_pool = pool[by_target].argsort(stable=True)
    return list(order[by_target[by_pool]].split(batch_size))


def count_pair_words(split: Split, sentences: Tensor) -> tuple[int, int]:
    """Count the words of the sources and of the targets of some pairs, `EOS` not counted."""
    source, target = pair_lengths(split, sentences)
    return int(source.sum()), int(target.sum())


def pair_lengths(split: Split, sentences: Tensor) -> tuple[Tensor, Tensor]:
    """Words of the source and of the target of each of some pairs, `EOS` not counted."""
    source, target = (
        side.offsets[sentences + 1] - side.offsets[sentences]
        for side in (split.source, split.target)
    )
    return source, target


def batch_parts(split: Split, sentences: Tensor, parts: int) -> Iterator[Batch]:
    """Gather sentence pairs as so many batches, one after another."""
    for part in range(parts):  # taken at intervals, so that they are alike in length
        yield make_batch(split, sentences[part::parts])


def part_sizes(split: Split, sentences: Tensor) -> list[int]:
    """Words of each of some pairs, with which the memory grows that a batch takes."""
    source, target = pair_lengths(split, sentences)
    return (source + target + 1).tolist()


def make_batch(split: Split, sentences: Tensor) -> Batch:
    """Gather sentence pairs from the corpus.

    Raises:
        UserError: its files are no longer what they were.
    """
    source, ids, places = packed_order(split.source, sentences, ends=0)
    target, words, before = packed_order(split.target, sentences, ends=1)
    return Batch(
        source._replace(data=ids[places + 1].long()),
        target._replace(data=words[before].long()),
        words[before + 1].long(),
    )


def distinct_words(split: Split, sentences: Tensor) -> tuple[Tensor, Tensor]:
    """The ids that a model reads of the sources and the targets of pairs, each once, ascending."""
    _, sources, places = packed_order(split.source, sentences, ends=0)
    _, targets, before = packed_order(split.target, sentences, ends=1)
    return sources[places + 1].long().unique(), targets[before].long().unique()


def packed_order(side: Side, sentences: Tensor, ends: int) -> tuple[PackedSequence, Tensor, Tensor]:
    """Order the words of ``sentences`` time step by time step.

    Args:
        side: of the corpus.
        sentences: numbers of them.
        ends: time steps that each has beyond its words.

    Returns:
        The order, with no data yet; ids of the sentences, `EOS` between; for each place of the
        data the index of the id before it.
    """
    lengths = side.offsets[sentences + 1] - side.offsets[sentences]
    lengths, index = lengths.sort(descending=True, stable=True)
    starts = (lengths + 1).cumsum(0) - (lengths + 1)
    steps = torch.arange(int(lengths[0]) + ends)[:, None]
    real = steps < lengths + ends
    before = (starts + steps)[real]
    order = PackedSequence(before, real.sum(1), index, index.argsort())
    return order, side.gather(sentences[index]), before


def packed_to_device(sentences: PackedSequence, device: torch.device) -> PackedSequence:
    """Move ``sentences`` to ``device``, but for the batch sizes, which torch wants on the CPU."""
    data, sizes, *order = sentences
    return PackedSequence(
        data.to(device, non_blocking=True),
        sizes,
        *(None if each is None else each.to(device, non_blocking=True) for each in order),
    )
