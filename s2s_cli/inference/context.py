"""Source context that the decoder reads at every step, in models beyond the paper's.

The sentence vector may stand beside each word and before the output layer; attention looks at the
words of the source; input feeding hands on what it made of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from s2s_cli.inference.attention import AttendedSource, HypothesisAttention
from s2s_cli.inference.layers import Layers
from s2s_cli.model.config import Shape
from s2s_cli.model.products import Product, in_blocks
from s2s_cli.model.seq2seq import Seq2Seq


class ContextLayers:
    """The weights of these parts, laid out."""

    def __init__(self, model: Seq2Seq, decoder: Layers, dtype: torch.dtype) -> None:
        """Take those of ``model``, and what ``decoder`` has for things beside a word.

        ``dtype`` is that of `Product`.
        """
        self.shape: Shape = model.shape
        of_vector, of_attentional = decoder.beside.split(
            [decoder.beside.shape[1] - self.fed, self.fed], 1
        )
        self.vector = Product(of_vector, dtype=dtype) if self.shape.reads_vector else None
        self.attentional: Product | None = None
        if self.shape.input_feeding:
            self.attentional = Product(of_attentional, dtype=dtype)
        self.attention: HypothesisAttention | None = None
        if model.attention is not None:
            self.attention = HypothesisAttention(model.attention, dtype)

    @property
    def fed(self) -> int:
        """Numbers that the decoder reads of the step before."""
        return self.shape.width if self.shape.input_feeding else 0

    def start(self, vectors: Tensor, outputs: Sequence[Tensor]) -> "SourceContext":
        """The context before the first step, a row for each source.

        Args:
            vectors: [sources, n] the sentence vectors.
            outputs: with attention, the encoder outputs of each source, [length, n].
        """
        context = SourceContext(
            self,
            vectors,
            in_blocks(self.vector, vectors) if self.vector else None,
            [self.attention.source(each) for each in outputs] if self.attention else [],
            torch.arange(len(vectors), device=vectors.device),
        )
        if self.attention is None:
            return context
        nothing = vectors.new_zeros(len(vectors), self.shape.width)
        return replace(context, attentional=nothing, weights=nothing[:, :0])


@dataclass(frozen=True)
class SourceContext:
    """Some sources, and what rows of hypotheses know of them.

    Attributes:
        layers: the weights.
        vectors: [sources, n] the sentence vectors.
        products: [sources, m] of these, for the decoder's first layer; None: it does not read them.
        attended: with attention, the words of each source.
        source_index: [rows] the source of each row.
        attentional: with attention, [rows, cells] the attentional hidden states.
        weights: with attention, [rows, length] how much each word of the source counted; 0 behind
            its end.
    """

    layers: ContextLayers
    vectors: Tensor
    products: Tensor | None
    attended: list[AttendedSource]
    source_index: Tensor
    attentional: Tensor | None = None
    weights: Tensor | None = None

    def beside(self) -> list[Tensor]:
        """Products of what the decoder's first layer reads beside a word, [rows, m] each."""
        found = []
        if self.products is not None:
            found.append(self.products[self.source_index])
        if self.layers.attentional and self.attentional is not None:
            found.append(in_blocks(self.layers.attentional, self.attentional))
        return found

    def after(self, top: Tensor) -> "SourceContext":
        """The context after a step, given the decoder's top hidden states [rows, cells]."""
        if self.layers.attention is None:
            return self
        attentional, weights = self.layers.attention.attend(
            top.to(self.vectors.dtype), self.source_index, self.attended
        )
        return replace(self, attentional=attentional, weights=weights)

    def hidden(self, top: Tensor, block: slice) -> Tensor:
        """Return what the output layer reads after a step, for the rows of ``block``."""
        hidden = (top if self.attentional is None else self.attentional)[block]
        if self.layers.shape.peeky:
            hidden = torch.cat([hidden, self.vectors[self.source_index[block]]], 1)
        return hidden

    def select(self, rows: Tensor) -> "SourceContext":
        """Row i becomes row ``rows[i]``."""
        return replace(
            self,
            source_index=self.source_index[rows],
            attentional=None if self.attentional is None else self.attentional[rows],
            weights=None if self.weights is None else self.weights[rows],
        )
