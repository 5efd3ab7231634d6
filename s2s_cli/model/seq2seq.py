"""The model: an encoder reads the source, a decoder that starts from its last state the target.

The defaults of `Shape` are the paper's: two deep LSTMs and a softmax (§2). What people built on it
are parts of their own, each absent unless it is asked for: the encoder's second direction, a
`bridge` with weights, the sentence vector beside the decoder's words, `attention`, and input
`feeding`.
"""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from s2s_cli.model.attention import make_attention
from s2s_cli.model.bridge import first_states, make_bridge
from s2s_cli.model.config import Shape
from s2s_cli.model.encoder import Direction, Encoded, encoder_outputs, sentence_vectors
from s2s_cli.model.feeding import decode_feeding
from s2s_cli.model.packed import PackedLayers
from s2s_cli.model.recurrent import recurrent_layers
from s2s_cli.model.sequences import States, batch_index, mirrored
from s2s_cli.model.softmax import negative_log_likelihood


class Seq2Seq(nn.Module):
    """A deep LSTM reads the source; another, started from its last state, writes the target (§2).

    Of the paper's model, `encoder_backward`, `bridge` and `attention` are None.

    Sentences of different lengths are packed as torch packs them, the rows of the first time step,
    then those of the second: nothing is computed for padding.
    """

    def __init__(self, shape: Shape, *, dropout: float = 0.0) -> None:
        """Allocate the model.

        Args:
            shape: sizes of all tensors, and which parts there are.
            dropout: probability on every connection that does not run through time (Zaremba et
                al. 2014): into, between and out of the LSTM layers. The paper uses none.
        """
        super().__init__()
        self.shape, cell = shape, shape.cell
        size, cells = shape.embedding_size, shape.hidden_size
        self.source_embedding = embedding(shape.source_vocabulary, size)
        self.target_embedding = embedding(shape.target_vocabulary, size)
        encoder = partial(recurrent_layers, cell, size, cells, shape.layers, dropout)
        self.encoder = encoder()
        self.encoder_backward = encoder() if shape.bidirectional else None
        self.bridge = make_bridge(shape)
        self.decoder = recurrent_layers(cell, shape.input_size, shape.width, shape.depth, dropout)
        self.attention = make_attention(shape)
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
        """Negative log probability of the targets given the sources, summed over words.

        Args:
            source: ids of the sources.
            target_input: ids of the targets in the same order, each with `EOS` before its words.
            words: the id to predict at each item of ``target_input.data``; the last of each
                target is `EOS`.
        """
        encoded = self.encode(source)  # the last states of an LSTM
        hidden = self.decode(target_input, encoded)  # the top layer of another, started from these
        return negative_log_likelihood(hidden, self.softmax.weight, self.softmax.bias, words)

    def encode(self, source: PackedSequence) -> Encoded:
        """Read ``source``, from both ends where there is an encoder for each."""
        read = [Direction(*self.read(self.encoder, self.source_embedding, source))]
        if self.encoder_backward is not None:
            turned = self.read(self.encoder_backward, self.source_embedding, mirrored(source))
            read.append(Direction(mirrored(turned[0]), turned[1]))
        return Encoded(
            first_states(self.shape, self.bridge, [each.states for each in read]),
            sentence_vectors(read) if self.shape.reads_vector else None,
            self.attention.source_words(encoder_outputs(read)) if self.attention else None,
        )

    def decode(self, target_input: PackedSequence, encoded: Encoded) -> Tensor:
        """Read ``target_input`` (teacher forcing): [rows, n], what the output layer reads.

        Rows are those of ``target_input.data``.
        """
        vectors = None
        if encoded.vector is not None:
            vectors = encoded.vector.index_select(0, batch_index(target_input))
        if self.attention and self.shape.input_feeding:
            embed = self.target_embedding, self.dropout
            hidden = decode_feeding(
                self.shape.cell, self.decoder, self.attention, *embed, target_input, encoded
            )
        else:
            output, _ = self.read(
                self.decoder, self.target_embedding, target_input, encoded.states, vectors
            )
            hidden = output.data
            if self.attention and encoded.words:
                hidden = self.attention(output, encoded.words)
        hidden = self.dropout(hidden)
        if self.shape.peeky and vectors is not None:
            hidden = torch.cat([hidden, vectors], 1)
        return hidden

    def read(
        self,
        layers: PackedLayers,
        table: nn.Embedding,
        words: PackedSequence,
        states: States | None = None,
        beside: Tensor | None = None,
    ) -> tuple[PackedSequence, States]:
        """Embed ``words`` and read them, each with its row of ``beside``, if that is given.

        Returns:
            The top layer's hidden states, packed as ``words``; the last states of all layers.
        """
        if beside is None and not (self.training and self.dropout.p > 0):
            return layers.read_words(words, table, states)
        return layers(self.embed(table, words, beside), states)  # type: ignore[no-any-return]

    def embed(
        self, table: nn.Embedding, words: PackedSequence, beside: Tensor | None
    ) -> PackedSequence:
        """The vectors of ``words``, each occurrence with a dropout of its own."""
        rows = self.dropout(table(words.data))
        return words._replace(data=rows if beside is None else torch.cat([rows, beside], 1))


def embedding(words: int, size: int) -> nn.Embedding:
    """A table of vectors, not yet drawn: `initialise` draws them, or a file has them.

    Its gradient is sparse: it holds only the rows that a batch touched.
    """
    table: nn.Embedding = nn.Embedding.from_pretrained(
        torch.empty(words, size), freeze=False, sparse=True
    )
    return table
