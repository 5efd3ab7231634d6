"""Models beyond the paper's as scorers: other cells, bridges, a peeky decoder, attention.

As with `LstmScorer`, a row's result depends on the row alone: products are of `blocks`, what is
squashed is made of exponentials, and attention looks at the words of one source from a fixed
number of rows at a time.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2s_cli.inference.blocks import SMALL, Product, blocks
from s2s_cli.inference.distribution import Softmax
from s2s_cli.inference.output import OutputLayer
from s2s_cli.inference.scorer import USUAL_WORDS, LstmScorer, time_steps
from s2s_cli.model.attention import Attention
from s2s_cli.model.config import Cell
from s2s_cli.model.packed import squashes
from s2s_cli.model.recurrent import Squash, States, advance, peepholes_of
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.model.variant import AnySeq2Seq, VariantSeq2Seq, side_by_side
from s2s_cli.model.work import Precision, decoder_flops, encoder_flops, softmax_flops
from s2s_cli.text.vocabulary import EOS


def sigmoid(values: Tensor) -> Tensor:
    return values.neg().exp_().add_(1).reciprocal_()


def tanh(values: Tensor) -> Tensor:
    return sigmoid(2 * values).mul_(2).sub_(1)


SQUASH = Squash(sigmoid, tanh)


class Source(NamedTuple):
    """What attention looks at: a vector for each word of a source, and what queries meet."""

    memory: Tensor
    keys: Tensor


class VariantState(NamedTuple):
    """Rows of hypotheses, and the sources that they belong to.

    Attributes:
        layers: states of each of the decoder's layers, [rows, cells] each.
        output: [rows, n] what the output layer reads.
        found: [rows, cells] what attention found, or the top hidden state.
        weights: [rows, length] how much each word of the source counted there; 0 behind its end.
        owner: [rows] which source.
        vectors: [sources, n] the sentence vectors.
        sources: with attention, one each.
    """

    layers: list[States]
    output: Tensor
    found: Tensor
    weights: Tensor
    owner: Tensor
    vectors: Tensor
    sources: list[Source]


class Layers:
    """Recurrent layers of any kind, one time step at a time."""

    def __init__(self, cell: Cell, layers: nn.RNNBase, dtype: torch.dtype) -> None:
        """Lay out the weights; products are of type ``dtype``."""
        self.cell: Cell = cell
        self.dtype, self.cells = dtype, layers.hidden_size
        self.parts = 2 if cell.startswith("lstm") else 1
        self.products = [
            (Product(of_input.to(dtype), input_bias), Product(of_hidden.to(dtype), hidden_bias))
            for of_input, of_hidden, input_bias, hidden_bias in layers.all_weights
        ]
        self.peepholes = [peepholes_of(layers, layer) for layer in range(layers.num_layers)]

    def zeros(self, rows: Tensor) -> list[States]:
        """The states before the first step, for as many rows as ``rows`` has."""
        zeros = rows.new_zeros(len(rows), self.cells)
        return [(zeros,) * self.parts for _ in self.products]

    def step(self, rows: Tensor, before: list[States]) -> list[States]:
        """Read ``rows`` [rows, size]; the states of each layer after that."""
        if not len(rows):
            return before
        cut = blocks(len(rows), *(each for pair in self.products for each in pair))
        parts = [self._block(rows[b], [tuple(s[b] for s in each) for each in before]) for b in cut]
        return [
            tuple(torch.cat(part) for part in zip(*layer, strict=True))
            for layer in zip(*parts, strict=True)
        ]

    def _block(self, rows: Tensor, before: list[States]) -> list[States]:
        after: list[States] = []
        for (of_input, of_hidden), peepholes, state in zip(
            self.products, self.peepholes, before, strict=True
        ):
            read, kept = (
                product(each.to(self.dtype)).to(each.dtype)
                for product, each in ((of_input, rows), (of_hidden, state[0]))
            )
            after.append(advance(self.cell, read, kept, state, peepholes, SQUASH))
            rows = after[-1][0]
        return after


class Looking:
    """Attention (`model.attention`) from rows of hypotheses to the words of their sources."""

    def __init__(self, attention: Attention, dtype: torch.dtype) -> None:
        self.kind, self.dtype = attention.kind, dtype
        if self.kind != "dot":
            self.query = Product(attention.query.weight.to(dtype))
        if self.kind == "additive":
            self.value = attention.value.weight[0]
            self.key = Product(attention.key.weight.to(dtype), attention.key.bias)
        self.combine = Product(attention.combine.weight.to(dtype))

    def source(self, memory: Tensor) -> Source:
        """What is looked at, for ``memory`` [length, n]."""
        keys = in_blocks(self.key, memory) if self.kind == "additive" else memory
        return Source(memory, keys)

    def look(
        self, hidden: Tensor, owner: Tensor, sources: Sequence[Source]
    ) -> tuple[Tensor, Tensor]:
        """Look from ``hidden`` [rows, cells] at ``sources[owner[row]]``.

        Returns:
            What was found [rows, cells], and the weights [rows, length of the longest source].
        """
        queries = hidden if self.kind == "dot" else in_blocks(self.query, hidden)
        longest = max((len(each.memory) for each in sources), default=0)
        order = owner.argsort(stable=True)
        counts = owner.bincount(minlength=len(sources)).tolist()
        contexts, weights = [], []
        for rows, source in zip(queries[order].split(counts), sources, strict=True):
            for part in rows.split(SMALL):
                weight = self.weigh(F.pad(part, (0, 0, 0, SMALL - len(part))), source)
                contexts.append((weight @ source.memory)[: len(part)])
                weights.append(F.pad(weight, (0, longest - weight.shape[1]))[: len(part)])
        if not contexts:
            return hidden, hidden.new_zeros(0, longest)
        back = order.argsort()
        context = torch.cat(contexts)[back]
        found = tanh(in_blocks(self.combine, torch.cat([context, hidden], 1)))
        return found, torch.cat(weights)[back]

    def weigh(self, queries: Tensor, source: Source) -> Tensor:
        """The weights of all words of ``source`` for `SMALL` queries: [SMALL, length]."""
        if self.kind == "additive":
            scores = (tanh(queries[:, None] + source.keys) * self.value).sum(2)
        else:
            scores = queries @ source.keys.T
        return scores.softmax(1)


class VariantScorer:
    """One trained model of any `Shape` as a `Scorer`."""

    members = 1

    def __init__(
        self,
        model: VariantSeq2Seq,
        *,
        reverse_source: bool = False,
        precision: Precision = "fp32",
    ) -> None:
        """As `LstmScorer`; what attention does with single sources is never rounded."""
        self.reverse_source = reverse_source
        weight, bias = model.softmax.weight.detach(), model.softmax.bias.detach()
        self.device, exact = weight.device, weight.dtype
        dtype = torch.bfloat16 if precision == "bf16" else exact
        self.shape, self.words_read, self.words_asked = model.shape, 0, 0
        self.source_table = model.source_embedding.weight.detach()
        self.target_table = model.target_embedding.weight.detach()
        with torch.inference_mode():
            cell = self.shape.cell
            readers = [model.encoder]
            if self.shape.bidirectional:
                readers.append(model.encoder_backward)
            self.readers = [Layers(cell, each, dtype) for each in readers]
            self.decoder = Layers(cell, model.decoder, dtype)
            self.bridge, self.looking = None, None
            if self.shape.bridge == "linear":
                rows, offsets = model.bridge.whole()
                self.bridge = Product(rows.to(dtype), offsets)
            if self.shape.attention != "none":
                self.looking = Looking(model.attention, dtype)
            self.dtype, self.output = dtype, OutputLayer(weight, bias, dtype)
            if squashes(dtype, self.device.type):
                self.output.take_exponentials(weight, bias, self.usual_output())

    def usual_output(self) -> Tensor:
        """What the output layer reads at first, after sources of a word each."""
        words = range(min(USUAL_WORDS, self.shape.source_vocabulary))
        state = self.start([[word] for word in words])
        first = torch.full((len(words),), EOS, device=self.device)
        output = self.step(state, first).output
        self.words_read = self.words_asked = 0
        return output

    @property
    def flops(self) -> int:
        forward = encoder_flops(self.shape, self.words_read)
        forward += decoder_flops(self.shape, self.words_asked)
        return forward + softmax_flops(self.shape, self.words_asked)

    @torch.inference_mode()
    def start(self, sources: Sequence[Sequence[int]]) -> VariantState:
        self.words_read += sum(map(len, sources))
        lasts, tops = self.read(sources)
        vectors = torch.cat([layers[-1][0] for layers in lasts], 1)
        looked_at = []
        if self.looking:
            words = [torch.cat(each, 1) for each in zip(*tops, strict=True)]
            looked_at = [self.looking.source(each) for each in words]
        found = vectors.new_zeros(len(sources), self.shape.width)
        return VariantState(
            layers=self.first_states(lasts),
            output=found,
            found=found,
            weights=found[:, :0],
            owner=torch.arange(len(sources), device=self.device),
            vectors=vectors,
            sources=looked_at,
        )

    def read(
        self, sources: Sequence[Sequence[int]]
    ) -> tuple[list[list[States]], list[list[Tensor]]]:
        """What each reader makes of ``sources``.

        Returns:
            For each reader, the last states of its layers; and for each source its top hidden
            states [length, cells], in the order in which the first reader reads.
        """
        lasts, tops = [], []
        for number, reader in enumerate(self.readers):
            turned = self.reverse_source != (number == 1)
            states, top = self.read_once(reader, [s[::-1] if turned else s for s in sources])
            lasts.append(states)
            tops.append([each.flip(0) for each in top] if number else top)
        return lasts, tops

    def read_once(
        self, reader: Layers, sources: Sequence[Sequence[int]]
    ) -> tuple[list[States], list[Tensor]]:
        """Read ``sources``, the longest first: those that have ended drop out, none is padded."""
        order = sorted(range(len(sources)), key=lambda index: -len(sources[index]))
        states = reader.zeros(self.source_table.new_empty(len(order), 0))
        ended, tops = [], []
        for words in time_steps([sources[index] for index in order if sources[index]]):
            count = len(words)
            ended.append([tuple(part[count:].clone() for part in each) for each in states])
            states = [tuple(part[:count] for part in each) for each in states]
            states = reader.step(self.source_table[words.to(self.device)], states)
            tops.append(states[-1][0])
        back = torch.tensor(order, dtype=torch.long, device=self.device).argsort()
        together = [
            tuple(torch.cat(part)[back] for part in zip(*layer, strict=True))
            for layer in zip(*[states, *reversed(ended)], strict=True)
        ]
        places = {index: place for place, index in enumerate(order)}
        empty = self.source_table.new_empty(0, reader.cells)
        of_each = [
            torch.stack([top[places[index]] for top in tops[: len(source)]]) if source else empty
            for index, source in enumerate(sources)
        ]
        return together, of_each

    def first_states(self, lasts: list[list[States]]) -> list[States]:
        """The decoder's first states, given the last ones of each reader."""
        shape, rows = self.shape, lasts[0][0][0]
        if shape.bridge == "copy":
            return lasts[0]
        if self.bridge is None:
            return self.decoder.zeros(rows)
        states = [tuple(torch.stack(part) for part in zip(*each, strict=True)) for each in lasts]
        made = in_blocks(self.bridge, side_by_side(states))
        hidden, *cell = (
            part.unflatten(1, (shape.depth, shape.width)).unbind(1)
            for part in made.split(shape.depth * shape.width, 1)
        )
        return list(zip([tanh(each) for each in hidden], *cell, strict=True))

    @torch.inference_mode()
    def step(self, state: VariantState, tokens: Tensor) -> VariantState:
        self.words_asked += len(tokens)
        shape, vectors = self.shape, state.vectors[state.owner]
        reads = [self.target_table[tokens]]
        if shape.peeky or shape.bridge == "concat":
            reads.append(vectors)
        if shape.input_feeding:
            reads.append(state.found)
        layers = self.decoder.step(torch.cat(reads, 1), state.layers)
        found, weights = layers[-1][0], state.weights
        if self.looking:
            found, weights = self.looking.look(found, state.owner, state.sources)
        output = torch.cat([found, vectors], 1) if shape.peeky else found
        return state._replace(
            layers=layers, output=output.to(self.dtype), found=found, weights=weights
        )

    def row_count(self, state: VariantState) -> int:
        """How many there are."""
        return len(state.output)

    def blocks(self, state: VariantState) -> list[slice]:
        return blocks(self.row_count(state), self.output.product)

    @torch.inference_mode()
    def softmaxes(self, state: VariantState, block: slice) -> Iterator[Softmax]:
        yield self.output.softmax(state.output[block])

    @torch.inference_mode()
    def select(self, state: VariantState, rows: Tensor) -> VariantState:
        return state._replace(
            layers=[tuple(part[rows] for part in each) for each in state.layers],
            **{
                name: getattr(state, name)[rows] for name in ("output", "found", "weights", "owner")
            },
        )

    @torch.inference_mode()
    def sentence_vectors(self, sources: Sequence[Sequence[int]]) -> Tensor:
        """All last states of all readers, hidden states first: [sources, n]."""
        lasts, _ = self.read(sources)
        return side_by_side(
            [tuple(torch.stack(part) for part in zip(*each, strict=True)) for each in lasts]
        )


Single = LstmScorer | VariantScorer


def scorer_of(
    model: AnySeq2Seq,
    *,
    reverse_source: bool = False,
    precision: Precision = "fp32",
    origin: str = "model",
) -> Single:
    """The scorer that suits ``model``; the arguments are those of `LstmScorer`."""
    if isinstance(model, Seq2Seq):
        return LstmScorer(model, reverse_source=reverse_source, precision=precision, origin=origin)
    return VariantScorer(model, reverse_source=reverse_source, precision=precision)


def in_blocks(product: Product, rows: Tensor) -> Tensor:
    """The product of any number of rows, each row's the same in any company."""
    if not len(rows):
        return rows.new_empty(0, product.size)
    parts = [product(rows[block].to(product.dtype)) for block in blocks(len(rows), product)]
    return torch.cat(parts).to(rows.dtype)
