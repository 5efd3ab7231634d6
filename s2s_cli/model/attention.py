"""Attention: at every step the decoder looks back at all words of the source."""

import torch
from torch import Tensor, nn

from s2s_cli.model.config import Shape


class Attention(nn.Module):
    """Global attention (Luong et al. 2015, §3.1) with one of three scores of a source word.

    With h the decoder's top hidden state and m_j what the encoder made of source word j:
    ``dot`` hᵀ m_j; ``general`` hᵀ W m_j; ``additive`` vᵀ tanh(W h + U m_j) (Bahdanau et al. 2015).
    The softmax of the scores weighs the m_j into the context c; what goes on to the output layer
    is tanh(W_c [c, h]).
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.kind = shape.attention
        memory, width = shape.vector_size, shape.width
        if self.kind == "general":
            self.query = nn.Linear(width, memory, bias=False)
        elif self.kind == "additive":
            self.query = nn.Linear(width, width, bias=False)
            self.key = nn.Linear(memory, width)
            self.value = nn.Linear(width, 1, bias=False)
        self.combine = nn.Linear(memory + width, width, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        """What queries are compared with, computed once a source: [..., n]."""
        return self.key(memory) if self.kind == "additive" else memory

    def queries(self, hidden: Tensor) -> Tensor:
        """What is compared with keys: [..., n]."""
        return hidden if self.kind == "dot" else self.query(hidden)

    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Of queries [batch, steps, n] and keys [batch, length, n]: [batch, steps, length]."""
        if self.kind == "additive":
            together = (queries[:, :, None] + keys[:, None]).tanh()
            scores: Tensor = self.value(together)
            return scores.squeeze(3)
        return torch.bmm(queries, keys.transpose(1, 2))

    def forward(self, hidden: Tensor, memory: Tensor, keys: Tensor, outside: Tensor) -> Tensor:
        """Look back from ``hidden`` [batch, steps, cells]; in its shape.

        Args:
            hidden: the decoder's top hidden states.
            memory: [batch, length, n] what the encoder made of each source.
            keys: of ``memory``.
            outside: [batch, length] where a source has ended.
        """
        scores = self.scores(self.queries(hidden), keys)
        weights = scores.masked_fill(outside[:, None], float("-inf")).softmax(2)
        context = torch.bmm(weights, memory)
        found: Tensor = self.combine(torch.cat([context, hidden], 2)).tanh()
        return found
