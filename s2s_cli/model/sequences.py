"""Sentences of different lengths side by side, the longest first, so that none is padded.

A sentence that has ended leaves from the end of the batch: the rows of each time step are the first
ones of the step before. What has left is put aside, and put back at the end. Sentences are packed
as torch packs them: the rows of the first time step, then those of the second.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_sequence

# Tensors with a row for each sentence: the states of one layer, or of several.
States = tuple[Tensor, ...]


class TimeSteps(NamedTuple):
    """The words of some sentences at each time.

    Attributes:
        words: at each time step, those of the sentences that go on, the longest sentence first.
        order: [sentences] the sentence that is in each row.
    """

    words: Sequence[Tensor]
    order: Tensor

    @classmethod
    def of(cls, sentences: Sequence[Sequence[int]]) -> "TimeSteps":
        """Sort ``sentences`` of ids, of any length, by length."""
        order = sorted(range(len(sentences)), key=lambda index: -len(sentences[index]))
        words = [torch.tensor(sentences[index], dtype=torch.long) for index in order]
        steps: Sequence[Tensor] = []
        if words and len(words[0]):
            packed = pack_sequence([each for each in words if len(each)])
            steps = packed.data.split(packed.batch_sizes.tolist())
        return cls(steps, torch.tensor(order, dtype=torch.long))


class EndedStates:
    """States of sentences that have ended, until they are put back behind those that go on."""

    def __init__(self, dim: int = 0) -> None:
        """Start with none; sentences are along dimension ``dim`` of every tensor."""
        self.dim = dim
        self._ended: list[States] = []

    def drop(self, states: States, count: int) -> States:
        """The states of the first ``count`` sentences; those of the others are put aside.

        They are copied: a view would keep all rows in memory.
        """
        ended = states[0].shape[self.dim] - count
        if not ended:
            return states
        self._ended.append(tuple(each.narrow(self.dim, count, ended).clone() for each in states))
        return tuple(each.narrow(self.dim, 0, count) for each in states)

    def put_back(self, states: States) -> States:
        """``states`` of those that went on to the end, followed by all that were put aside."""
        if not self._ended:
            return states
        parts = zip(states, *reversed(self._ended), strict=True)
        return tuple(torch.cat(part, self.dim) for part in parts)


def batch_index(words: PackedSequence) -> Tensor:
    """The sentence of the batch that each row of ``words.data`` belongs to."""
    within = _sorted_index(words).to(words.data.device, non_blocking=True)
    return within if words.sorted_indices is None else words.sorted_indices[within]


def time_index(words: PackedSequence) -> Tensor:
    """The time step that each row of ``words.data`` belongs to."""
    return _steps(words).to(words.data.device, non_blocking=True)


def mirrored(words: PackedSequence) -> PackedSequence:
    """Reverse every sentence; twice applied, it is the sentences as they were."""
    sizes, within, steps = words.batch_sizes, _sorted_index(words), _steps(words)
    first = sizes.cumsum(0) - sizes
    lengths = (sizes[:, None] > torch.arange(int(sizes[0]))).sum(0)
    rows = first[lengths[within] - 1 - steps] + within
    return words._replace(data=words.data[rows.to(words.data.device, non_blocking=True)])


def _sorted_index(words: PackedSequence) -> Tensor:
    """The place of each row's sentence within its time step."""
    return torch.cat([torch.arange(int(size)) for size in words.batch_sizes])


def _steps(words: PackedSequence) -> Tensor:
    return torch.arange(len(words.batch_sizes)).repeat_interleave(words.batch_sizes)
