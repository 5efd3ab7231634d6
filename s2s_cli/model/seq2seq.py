"""The paper's model: two LSTMs, joined by the state that one leaves and the other starts from."""

import torch
from torch import Tensor, nn

from s2s_cli.model.config import Shape
from s2s_cli.model.softmax import negative_log_likelihood

State = tuple[Tensor, Tensor]


class Seq2Seq(nn.Module):
    """A deep LSTM reads the source; another, started from its last state, writes the target (§2).

    Tensors are time-major. A batch holds sources of one length, so there is no padding on the
    source side, and targets padded at their ends, where padding influences nothing before it.
    """

    def __init__(self, shape: Shape, *, dropout: float = 0.0, sparse: bool = False) -> None:
        """Allocate the model.

        Args:
            shape: sizes of all tensors.
            dropout: probability on every connection that does not run through time (Zaremba et
                al. 2014): into, between and out of the LSTM layers. The paper uses none.
            sparse: embedding gradients hold only the rows that a batch touched.
        """
        super().__init__()
        self.shape = shape
        size, cells = shape.embedding_size, shape.hidden_size
        self.source_embedding = embedding(shape.source_vocabulary, size, sparse)
        self.target_embedding = embedding(shape.target_vocabulary, size, sparse)
        between = dropout if shape.layers > 1 else 0.0
        self.encoder = nn.LSTM(size, cells, shape.layers, dropout=between)
        self.decoder = nn.LSTM(size, cells, shape.layers, dropout=between)
        self.softmax = nn.Linear(cells, shape.target_vocabulary)
        self.dropout = nn.Dropout(dropout)

    @torch.no_grad()
    def initialise(self, bound: float, generator: torch.Generator) -> None:
        """Draw every parameter uniformly from [-bound, bound] (§3.4)."""
        for parameter in self.parameters():
            parameter.uniform_(-bound, bound, generator=generator)

    def encode(self, source: Tensor) -> State:
        """Read ``source`` [source length, batch]; the last hidden and cell state of each layer.

        Returns:
            Two tensors [layers, batch, cells]: for the paper's 4 × 1000 cells, the 8000 real
            numbers that represent a sentence (§3.4).
        """
        _, state = self.encoder(self.dropout(self.source_embedding(source)))
        return state  # type: ignore[no-any-return]

    def decode(self, target_input: Tensor, state: State) -> Tensor:
        """Read ``target_input`` [target length, batch] from ``state`` on (teacher forcing).

        Returns:
            Top hidden state at every step [target length, batch, cells].
        """
        hidden, _ = self.decoder(self.dropout(self.target_embedding(target_input)), state)
        return self.dropout(hidden)  # type: ignore[no-any-return]

    def forward(
        self, source: Tensor, target_input: Tensor, positions: Tensor, words: Tensor
    ) -> Tensor:
        """Negative log probability of the targets given the sources, summed over words.

        Args:
            source: [source length, batch] ids.
            target_input: [target length, batch] ids: `EOS`, then the words; padded.
            positions: [words] where in the flattened [target length × batch] there is no padding.
            words: [words] the id to predict at each position, every target's `EOS` included.
        """
        hidden = self.decode(target_input, self.encode(source))
        rows = hidden.flatten(0, 1).index_select(0, positions)
        return negative_log_likelihood(rows, self.softmax.weight, self.softmax.bias, words)


def embedding(words: int, size: int, sparse: bool) -> nn.Embedding:
    """A table of vectors, not yet drawn: `initialise` draws them, or a file has them."""
    table: nn.Embedding = nn.Embedding.from_pretrained(
        torch.empty(words, size), freeze=False, sparse=sparse
    )
    return table
