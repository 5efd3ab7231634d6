"""The encoder as search needs it: one or two directions over sources of any length."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from s2s_cli.inference.layers import Layers
from s2s_cli.model.bridge import side_by_side
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.model.sequences import EndedStates, States, TimeSteps


class EncodedSources(NamedTuple):
    """Encoded sources, in their order.

    Attributes:
        states: the last ones of each direction (`Layers`).
        outputs: for each source, if they were asked for, the top hidden states of all directions
            at each word [length, n], in the order in which the first direction reads.
    """

    states: list[States]
    outputs: list[Tensor]


class SourceEncoder:
    """The layers of a trained model that read sources."""

    def __init__(
        self, model: Seq2Seq, dtype: torch.dtype, *, reverse_source: bool, origin: str
    ) -> None:
        """Lay out the weights; the arguments are those of `ModelScorer`, and of products."""
        self.reverse_source, self.origin = reverse_source, origin
        table = model.source_embedding.weight.detach()
        self.device = table.device
        self.directions = [
            Layers(model.shape.cell, each, table, dtype, origin)
            for each in (model.encoder, model.encoder_backward)
            if each is not None
        ]

    def encode(self, sources: Sequence[Sequence[int]], *, keep_outputs: bool) -> EncodedSources:
        """Read ``sources``, ids in the order of the text."""
        read = []
        for number, layers in enumerate(self.directions):
            turned = self.reverse_source != bool(number)
            states, outputs = self.read(
                layers, [each[::-1] for each in sources] if turned else sources, keep_outputs
            )
            read.append((states, [each.flip(0) for each in outputs] if number else outputs))
        lasts, tops = zip(*read, strict=True)
        return EncodedSources(list(lasts), [torch.cat(each, 1) for each in zip(*tops, strict=True)])

    def read(
        self, layers: Layers, sources: Sequence[Sequence[int]], keep_outputs: bool
    ) -> tuple[States, list[Tensor]]:
        """Read ``sources`` in one direction: the last states, and the top hidden states of each."""
        steps, order = TimeSteps.of(sources)
        states, ended, tops = layers.zeros(len(sources)), EndedStates(), []
        for words in steps:
            states = layers.step(words.to(self.device), ended.drop(states, len(words)))
            if keep_outputs:
                tops.append(layers.top(states).to(layers.dtype))
        back = order.to(self.device).argsort()
        last = tuple(each.index_select(0, back) for each in ended.put_back(states))
        if not keep_outputs:
            return last, []
        # Sources without a word have no row there.
        padded = pad_sequence(tops) if tops else layers.zeros(0)[-1].new_empty(0, 0, layers.cells)
        rows = zip(back.tolist(), sources, strict=True)
        return last, [padded[row : row + 1, : len(each)].flatten(0, 1) for row, each in rows]

    def vectors(self, states: Sequence[States]) -> Tensor:
        """The top layer's last hidden state of each direction: [sources, n]."""
        tops = [layers.top(each) for layers, each in zip(self.directions, states, strict=True)]
        return torch.cat(tops, 1).to(self.directions[0].dtype)

    def side_by_side(self, states: Sequence[States]) -> Tensor:
        """The last states of all directions in the order that a bridge reads: [sources, n]."""
        by_kind = [
            layers.by_kind(each) for layers, each in zip(self.directions, states, strict=True)
        ]
        return side_by_side(by_kind)
