"""Encoded batches of sources, read in one direction or in both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from s2s_cli.model.attention import SourceWords
from s2s_cli.model.sequences import States


class Direction(NamedTuple):
    """Output of one direction of the encoder for a batch.

    Attributes:
        hidden: its top hidden state at every word, packed as the sources.
        states: the last ones, [layers, batch, cells] each, in the order of the batch.
    """

    hidden: PackedSequence
    states: States


@dataclass(frozen=True)
class Encoded:
    """Encoded batch: all that the decoder reads of the sources, in the order of the batch.

    Attributes:
        states: the decoder's first, [layers, batch, cells] each: for the paper's 4 × 1000 cells,
            the 8000 real numbers that represent a sentence (§3.4).
        vector: [batch, n] the sentence vectors, where the decoder reads them at every step.
        words: with attention, what it looks at.
    """

    states: States
    vector: Tensor | None = None
    words: SourceWords | None = None


def sentence_vectors(directions: Sequence[Direction]) -> Tensor:
    """The top layer's last hidden state of each direction: [batch, n]."""
    return torch.cat([each.states[0][-1] for each in directions], 1)


def encoder_outputs(directions: Sequence[Direction]) -> PackedSequence:
    """The top hidden states of all directions at every word, packed: [rows, n]."""
    packed = directions[0].hidden
    return packed._replace(data=torch.cat([each.hidden.data for each in directions], 1))
