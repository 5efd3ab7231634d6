"""The model with what people built on it: other cells, bridges, a peeky decoder, attention.

`Seq2Seq` is the paper's; this one is asked for where any of these is used. Products of its own
(bridge, attention, cells other than the LSTM) are fp32 also under autocast.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from s2s_cli.model.attention import Attention
from s2s_cli.model.bridge import LinearBridge, NearCopy
from s2s_cli.model.config import Shape
from s2s_cli.model.lstm import Lstm
from s2s_cli.model.recurrent import States, advance, peepholes_of, read, recurrent
from s2s_cli.model.seq2seq import Seq2Seq, embedding
from s2s_cli.model.softmax import negative_log_likelihood


@dataclass(frozen=True)
class Encoded:
    """What the encoder made of a batch, in its order.

    Attributes:
        vector: [batch, n] the sentence vectors.
        states: of the decoder before its first step, [layers, batch, cells] each.
        memory: with attention [batch, length, n], a vector for each word; else empty.
        outside: with attention [batch, length], where a source has ended; else empty.
    """

    vector: Tensor
    states: States
    memory: Tensor
    outside: Tensor


class VariantSeq2Seq(nn.Module):
    """As `Seq2Seq`, whose methods have the same meaning, of any `Shape`."""

    def __init__(self, shape: Shape, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        size, cells = shape.embedding_size, shape.hidden_size
        self.source_embedding = embedding(shape.source_vocabulary, size)
        self.target_embedding = embedding(shape.target_vocabulary, size)
        self.encoder = recurrent(shape.cell, size, cells, shape.layers, dropout)
        if shape.bidirectional:
            self.encoder_backward = recurrent(shape.cell, size, cells, shape.layers, dropout)
        if shape.bridge == "linear":
            self.bridge = (NearCopy if shape.attention == "none" else LinearBridge)(shape)
        self.decoder = recurrent(shape.cell, shape.input_size, shape.width, shape.depth, dropout)
        if shape.attention != "none":
            self.attention = Attention(shape)
        self.softmax = nn.Linear(shape.output_size, shape.target_vocabulary)
        self.dropout = nn.Dropout(dropout)

    def tables(self) -> list[Tensor]:
        """The embeddings of both languages, [words, size] each."""
        return [self.source_embedding.weight, self.target_embedding.weight]

    @torch.no_grad()
    def initialise(self, bound: float, generator: torch.Generator) -> None:
        """Draw every parameter uniformly from [-bound, bound] (§3.4)."""
        for parameter in self.parameters():
            parameter.uniform_(-bound, bound, generator=generator)

    def forward(
        self, source: PackedSequence, target_input: PackedSequence, words: Tensor
    ) -> Tensor:
        """As `Seq2Seq.forward`."""
        hidden = self.decode(target_input, self.encode(source))
        return negative_log_likelihood(hidden, self.softmax.weight, self.softmax.bias, words)

    def encode(self, source: PackedSequence) -> Encoded:
        """Read ``source``, with a second reader from its other end."""
        output, states = self.read(self.encoder, self.source_embedding, source)
        outputs, all_states = [output.data], [states]
        if self.shape.bidirectional:
            back = backwards(source)
            turned = source._replace(data=source.data[back])
            output, states = self.read(self.encoder_backward, self.source_embedding, turned)
            outputs.append(output.data[back])
            all_states.append(states)
        vector = torch.cat([hidden[-1] for hidden, *_ in all_states], 1)
        if self.shape.attention == "none":
            return Encoded(vector, self.first_states(all_states), vector[:0], vector[:0])
        rows = source._replace(data=torch.cat(outputs, 1))
        memory, lengths = pad_packed_sequence(rows, batch_first=True)
        places = torch.arange(memory.shape[1], device=memory.device)
        outside = places >= lengths[:, None].to(memory.device)
        return Encoded(vector, self.first_states(all_states), memory, outside)

    def first_states(self, last: list[States]) -> States:
        """The decoder's first states, given the last ones of each reader."""
        match self.shape.bridge:
            case "copy":
                return last[0]
            case "linear":
                with self.full_precision(last[0][0]):
                    states: States = self.bridge(side_by_side(last))
                return states
            case "concat":
                zeros = last[0][0].new_zeros(
                    self.shape.depth, last[0][0].shape[1], self.shape.width
                )
                return (zeros,) * len(last[0])

    def decode(self, target_input: PackedSequence, encoded: Encoded) -> Tensor:
        """Read ``target_input`` (teacher forcing): [rows, n], what the output layer reads.

        Rows are those of ``target_input.data``.
        """
        owners = owners_of(target_input)
        if self.shape.input_feeding:
            hidden = self.decode_feeding(target_input, encoded)
        else:
            hidden = self.decode_at_once(target_input, owners, encoded)
        hidden = self.dropout(hidden)
        if self.shape.peeky:
            hidden = torch.cat([hidden, encoded.vector[owners]], 1)
        return hidden

    def decode_at_once(
        self, target_input: PackedSequence, owners: Tensor, encoded: Encoded
    ) -> Tensor:
        """All steps of each layer, then attention from all steps."""
        table = self.target_embedding
        if self.shape.input_size == self.shape.embedding_size:
            output, _ = self.read(self.decoder, table, target_input, encoded.states)
        else:
            words = self.dropout(table(target_input.data))
            rows = torch.cat([words, encoded.vector[owners]], 1)
            with self.precision_of(self.decoder, rows):
                output, _ = read(self.decoder, target_input._replace(data=rows), encoded.states)
        if self.shape.attention == "none":
            return output.data
        with self.full_precision(output.data):
            hidden, _ = pad_packed_sequence(output, batch_first=True)
            memory = encoded.memory
            found = self.attention(hidden, memory, self.attention.keys(memory), encoded.outside)
            return found[owners, steps_of(target_input)]  # type: ignore[no-any-return]

    def decode_feeding(self, target_input: PackedSequence, encoded: Encoded) -> Tensor:
        """Step by step, since each reads what attention found at the one before."""
        order = target_input.sorted_indices
        assert order is not None
        states = [
            tuple(part[layer][order] for part in encoded.states)
            for layer in range(self.shape.depth)
        ]
        words = self.dropout(self.target_embedding(target_input.data))
        beside = (
            encoded.vector[order] if self.shape.peeky or self.shape.bridge == "concat" else None
        )
        found = words.new_zeros(len(order), self.shape.width)
        every = []
        with self.full_precision(words):
            memory, outside = encoded.memory[order], encoded.outside[order]
            keys = self.attention.keys(memory)
            for of_step in words.split(target_input.batch_sizes.tolist()):
                count = len(of_step)
                reads = [of_step, *([] if beside is None else [beside[:count]]), found[:count]]
                states = [tuple(part[:count] for part in layer) for layer in states]
                states = list(self.step(torch.cat(reads, 1), states))
                found = self.attention(
                    states[-1][0][:, None], memory[:count], keys[:count], outside[:count]
                )[:, 0]
                every.append(found)
        return torch.cat(every)

    def step(self, rows: Tensor, states: list[States]) -> Iterator[States]:
        """One time step of all layers of the decoder; the states of each after it."""
        for layer, before in enumerate(states):
            if layer:
                rows = F.dropout(rows, self.decoder.dropout, self.training)
            of_rows, of_hidden, input_bias, hidden_bias = self.decoder.all_weights[layer]
            after = advance(
                self.shape.cell,
                F.linear(rows, of_rows, input_bias),
                F.linear(before[0], of_hidden, hidden_bias),
                before,
                peepholes_of(self.decoder, layer),
            )
            yield after
            rows = after[0]

    def read(
        self,
        layers: nn.RNNBase,
        table: nn.Embedding,
        words: PackedSequence,
        state: States | None = None,
    ) -> tuple[PackedSequence, States]:
        """Embed ``words`` and read them."""
        if isinstance(layers, Lstm) and not (self.training and self.dropout.p > 0):
            pair = None if state is None else (state[0], state[1])
            return layers.read_words(words, table, pair)
        rows = words._replace(data=self.dropout(table(words.data)))
        with self.precision_of(layers, rows.data):
            return read(layers, rows, state)

    def precision_of(self, layers: nn.RNNBase, rows: Tensor) -> torch.autocast:
        """An `Lstm` sees to its precision itself; torch would compute others in two types."""
        enabled = isinstance(layers, Lstm) and torch.is_autocast_enabled(rows.device.type)
        return torch.autocast(rows.device.type, torch.bfloat16, enabled=enabled)

    def full_precision(self, rows: Tensor) -> torch.autocast:
        return torch.autocast(rows.device.type, enabled=False)


AnySeq2Seq = Seq2Seq | VariantSeq2Seq


def make_model(shape: Shape, *, dropout: float = 0.0) -> AnySeq2Seq:
    """The paper's model, or a variant of it."""
    return (Seq2Seq if shape.plain else VariantSeq2Seq)(shape, dropout=dropout)


def side_by_side(states: list[States]) -> Tensor:
    """Hidden states of all layers, reader by reader, then the cell states: [batch, n]."""
    parts = zip(*states, strict=True)
    return torch.cat([layer for part in parts for reader in part for layer in reader], 1)


def owners_of(words: PackedSequence) -> Tensor:
    """For each row of ``words.data`` the sentence of the batch that it belongs to."""
    within = torch.cat([torch.arange(int(size)) for size in words.batch_sizes])
    within = within.to(words.data.device)
    return within if words.sorted_indices is None else words.sorted_indices[within]


def steps_of(words: PackedSequence) -> Tensor:
    """For each row of ``words.data`` its time step."""
    steps = torch.arange(len(words.batch_sizes)).repeat_interleave(words.batch_sizes)
    return steps.to(words.data.device)


def backwards(words: PackedSequence) -> Tensor:
    """For each row of ``words.data`` the row that stands as far from the sentence's other end."""
    sizes = words.batch_sizes
    first = sizes.cumsum(0) - sizes
    steps = torch.arange(len(sizes)).repeat_interleave(sizes)
    within = torch.cat([torch.arange(int(size)) for size in sizes])
    lengths = (sizes[:, None] > torch.arange(int(sizes[0]))).sum(0)
    return (first[lengths[within] - 1 - steps] + within).to(words.data.device)
