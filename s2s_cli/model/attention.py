"""Attention: at every step the decoder looks back at all words of the source."""

from typing import NamedTuple, assert_never

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from s2s_cli.model.config import AttentionScore, Shape
from s2s_cli.model.precision import full_precision
from s2s_cli.model.sequences import batch_index, time_index


class SourceWords(NamedTuple):
    """Encoder outputs that attention looks at.

    Attributes:
        encoder_outputs: [batch, length, n] a vector for each word.
        keys: [batch, length, m] what queries are compared with.
        source_mask: [batch, length] true where a source has ended.
    """

    encoder_outputs: Tensor
    keys: Tensor
    source_mask: Tensor

    def rows(self, rows: Tensor | slice) -> "SourceWords":
        """Select some sentences."""
        return SourceWords(*(each[rows] for each in self))


class Attention(nn.Module):
    """Global attention (Luong et al. 2015, §3.1) with one of three scores of a source word.

    With h the decoder's top hidden state and m_j the encoder's output at source word j:
    ``dot`` hᵀ m_j; ``general`` hᵀ W m_j; ``additive`` vᵀ tanh(W h + U m_j) (Bahdanau et al. 2015).
    The softmax of the scores weighs the m_j into the context c. The attentional hidden state, which
    the output layer reads, is tanh(W_c [c, h]). All of it is fp32 also under autocast.
    """

    def __init__(self, score: AttentionScore, shape: Shape) -> None:
        super().__init__()
        self.score: AttentionScore = score
        outputs, width = shape.vector_size, shape.width
        self.query: nn.Linear | None = None
        self.key: nn.Linear | None = None
        self.value: nn.Linear | None = None
        match score:
            case "dot":
                pass
            case "general":
                self.query = nn.Linear(width, outputs, bias=False)
            case "additive":
                self.query = nn.Linear(width, width, bias=False)
                self.key = nn.Linear(outputs, width)
                self.value = nn.Linear(width, 1, bias=False)
            case _:
                assert_never(score)
        self.combine = nn.Linear(outputs + width, width, bias=False)

    def source_words(self, outputs: PackedSequence) -> SourceWords:
        """The batch's encoder outputs, and all that is computed once a source."""
        with full_precision(outputs.data):
            padded, lengths = pad_packed_sequence(outputs, batch_first=True)
            places = torch.arange(padded.shape[1], device=padded.device)
            mask = places >= lengths[:, None].to(padded.device)
            return SourceWords(padded, self.key(padded) if self.key else padded, mask)

    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Score queries [batch, steps, m] by keys [batch, length, m]: [batch, steps, length]."""
        match self.score:
            case "dot" | "general":
                return torch.bmm(queries, keys.transpose(1, 2))
            case "additive":
                assert self.value is not None
                scores: Tensor = self.value((queries[:, :, None] + keys[:, None]).tanh())
                return scores.squeeze(3)
            case _:
                assert_never(self.score)

    def forward(self, hidden: Tensor, words: SourceWords) -> Tensor:
        """The attentional hidden states for ``hidden``, [batch, steps, cells] both."""
        queries = self.query(hidden) if self.query else hidden
        scores = self.scores(queries, words.keys)
        weights = scores.masked_fill(words.source_mask[:, None], float("-inf")).softmax(2)
        context = torch.bmm(weights, words.encoder_outputs)
        attentional: Tensor = self.combine(torch.cat([context, hidden], 2)).tanh()
        return attentional

    def over(self, hidden: PackedSequence, words: SourceWords) -> Tensor:
        """The same for all steps of packed targets at once: [rows, cells]."""
        with full_precision(hidden.data):
            padded, _ = pad_packed_sequence(hidden, batch_first=True)
            attentional: Tensor = self(padded, words)
            return attentional[batch_index(hidden), time_index(hidden)]


def make_attention(shape: Shape) -> Attention | None:
    """The attention that ``shape`` has, if any."""
    match shape.attention:
        case "none":
            return None
        case "additive" | "dot" | "general":
            return Attention(shape.attention, shape)
        case _:
            assert_never(shape.attention)
