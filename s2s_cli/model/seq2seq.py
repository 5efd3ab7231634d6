"""The paper's model: two LSTMs, joined by the state that one leaves and the other starts from."""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from s2s_cli.model.config import Shape
from s2s_cli.model.lstm import Form, Lstm, State, on_data
from s2s_cli.model.softmax import negative_log_likelihood


class Seq2Seq(nn.Module):
    """A deep LSTM reads the source; another, started from its last state, writes the target (§2).

    Tensors are time-major. Sentences of different lengths are packed as torch packs them, the
    rows of the first time step, then those of the second: nothing is computed for padding.
    """

    def __init__(self, shape: Shape, *, dropout: float = 0.0) -> None:
        """Allocate the model.

        Args:
            shape: sizes of all tensors.
            dropout: probability on every connection that does not run through time (Zaremba et
                al. 2014): into, between and out of the LSTM layers. The paper uses none.
        """
        super().__init__()
        self.shape = shape
        size, cells = shape.embedding_size, shape.hidden_size
        self.source_embedding = embedding(shape.source_vocabulary, size)
        self.target_embedding = embedding(shape.target_vocabulary, size)
        between = dropout if shape.layers > 1 else 0.0
        self.encoder = Lstm(size, cells, shape.layers, dropout=between)
        self.decoder = Lstm(size, cells, shape.layers, dropout=between)
        self.softmax = nn.Linear(cells, shape.target_vocabulary)
        self.dropout = nn.Dropout(dropout)

    def tables(self) -> list[Tensor]:
        """The embeddings of both languages, [words, size] each."""
        return [self.source_embedding.weight, self.target_embedding.weight]

    @torch.no_grad()
    def initialise(self, bound: float, generator: torch.Generator) -> None:
        """Draw every parameter uniformly from [-bound, bound] (§3.4)."""
        for parameter in self.parameters():
            parameter.uniform_(-bound, bound, generator=generator)

    def encode(self, source: Form) -> State:
        """Read ``source``; the last hidden and cell state of each layer.

        Returns:
            Two tensors [layers, batch, cells]: for the paper's 4 × 1000 cells, the 8000 real
            numbers that represent a sentence (§3.4).
        """
        _, state = self.read(self.encoder, self.source_embedding, source)
        return state

    def decode(self, target_input: Form, state: State) -> Form:
        """Read ``target_input`` from ``state`` on (teacher forcing).

        Returns:
            Top hidden state at every step, [..., cells], in the form of ``target_input``.
        """
        hidden, _ = self.read(self.decoder, self.target_embedding, target_input, state)
        return on_data(self.dropout, hidden)

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
        hidden = self.decode(target_input, self.encode(source))
        return negative_log_likelihood(hidden.data, self.softmax.weight, self.softmax.bias, words)

    def read(
        self, lstm: Lstm, table: nn.Embedding, words: Form, state: State | None = None
    ) -> tuple[Form, State]:
        """Embed ``words`` and read them."""
        if self.training and self.dropout.p > 0:  # each occurrence of a word is another vector
            embedded = on_data(lambda data: self.dropout(table(data)), words)
            return lstm(embedded, state)  # type: ignore[no-any-return]
        return lstm.read_words(words, table, state)


def embedding(words: int, size: int) -> nn.Embedding:
    """A table of vectors, not yet drawn: `initialise` draws them, or a file has them.

    Its gradient is sparse: it holds only the rows that a batch touched.
    """
    table: nn.Embedding = nn.Embedding.from_pretrained(
        torch.empty(words, size), freeze=False, sparse=True
    )
    return table
