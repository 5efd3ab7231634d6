"""Attention: at every step the decoder looks back at all words of the source."""

from typing import NamedTuple, assert_never

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from s2s_cli.model.config import AttentionScore, Shape
from s2s_cli.model.precision import autocast_dtype, full_precision
from s2s_cli.model.projection import project
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

    def sorted(self, order: Tensor) -> "SourceWords":
        """Put sentence ``order[i]`` into row i."""
        outputs = self.encoder_outputs.index_select(0, order)
        same = self.keys is self.encoder_outputs
        keys = outputs if same else self.keys.index_select(0, order)
        return SourceWords(outputs, keys, self.source_mask[order])

    def first(self, count: int) -> "SourceWords":
        """The words of the first ``count`` sentences."""
        return self if count == len(self.keys) else SourceWords(*(each[:count] for each in self))


class Attention(nn.Module):
    """Global attention (Luong et al. 2015, §3.1) with one of three scores of a source word.

    With h the decoder's top hidden state and m_j the encoder's output at source word j:
    ``dot`` hᵀ m_j; ``general`` hᵀ W m_j; ``additive`` vᵀ tanh(W h + U m_j) (Bahdanau et al. 2015).
    The softmax of the scores weighs the m_j into the context c. The attentional hidden state, which
    the output layer reads, is tanh(W_c [c, h]). Under autocast the products with weights are bf16;
    scores, their softmax and contexts are fp32.
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
        dtype = autocast_dtype(outputs.data)
        with full_precision(outputs.data):
            place = padded_places(outputs)
            steps, batch = len(outputs.batch_sizes), int(outputs.batch_sizes[0])
            ended = torch.ones(batch * steps, dtype=torch.bool, device=place.device)
            mask = ended.index_fill_(0, place, False).view(batch, steps)
            padded = keys = side_by_sentence(outputs.data, place, mask)
            if self.key is not None:
                of_outputs = project(outputs.data, self.key.weight, self.key.bias, dtype=dtype)
                keys = side_by_sentence(of_outputs, place, mask)
            return SourceWords(padded, keys, mask)

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

    def contexts(self, queries: Tensor, words: SourceWords) -> Tensor:
        """The contexts for ``queries`` [batch, steps, m]: [batch, steps, n]."""
        scores = self.scores(queries, words.keys)
        weights = scores.masked_fill(words.source_mask[:, None], float("-inf")).softmax(2)
        return torch.bmm(weights, words.encoder_outputs)

    def forward(self, hidden: PackedSequence, words: SourceWords) -> Tensor:
        """The attentional hidden states of all steps of packed targets at once: [rows, cells].

        Products with weights are over ``hidden.data`` [rows, cells], without padding.
        """
        rows, dtype = hidden.data, autocast_dtype(hidden.data)
        with full_precision(rows):
            queries = project(rows, self.query.weight, dtype=dtype) if self.query else rows
            batch, steps = len(words.keys), len(hidden.batch_sizes)
            place = padded_places(hidden)
            padded = queries.new_zeros(batch * steps, queries.shape[1])
            padded = padded.index_copy(0, place, queries).view(batch, steps, -1)
            context = self.contexts(padded, words).flatten(0, 1).index_select(0, place)
            read = torch.cat([context, rows], 1)
            return project(read, self.combine.weight, dtype=dtype).tanh()

    def step(self, hidden: Tensor, words: SourceWords, dtype: torch.dtype) -> Tensor:
        """The attentional hidden states [rows, cells] of one step of these sentences' targets."""
        query = hidden if self.query is None else project(hidden, self.query.weight, dtype=dtype)
        context = self.contexts(query[:, None], words).squeeze(1)
        return project(torch.cat([context, hidden], 1), self.combine.weight, dtype=dtype).tanh()


def padded_places(words: PackedSequence) -> Tensor:
    """The place of each row of ``words.data`` among sentences padded to the longest one."""
    return batch_index(words) * len(words.batch_sizes) + time_index(words)


def side_by_sentence(rows: Tensor, place: Tensor, mask: Tensor) -> Tensor:
    """Packed ``rows`` at their ``place``: [batch, length, n], zeros where ``mask`` is true.

    Torch's own `pad_packed_sequence` makes the host wait for a GPU.
    """
    padded = rows.new_zeros(mask.numel(), rows.shape[1])
    return padded.index_copy(0, place, rows).view(*mask.shape, -1)


def make_attention(shape: Shape) -> Attention | None:
    """The attention that ``shape`` has, if any."""
    match shape.attention:
        case "none":
            return None
        case "additive" | "dot" | "general":
            return Attention(shape.attention, shape)
        case _:
            assert_never(shape.attention)
