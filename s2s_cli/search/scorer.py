"""What search knows of a model: start from sources, step with tokens, select states.

One LSTM, an ensemble and a scripted fake in a test are the same thing to beam search and to
rescoring.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2s_cli.model.seq2seq import Seq2Seq

# Matrix products run on blocks of exactly so many rows, the last one filled up. A library's
# result for a row may depend, in its last bits, on how many rows share the product; with the
# number fixed it depends on the row alone, so a sentence gets the same translation and the same
# score in any company.
BLOCK_ROWS = 64


class Scorer(Protocol):
    """A conditional language model that is advanced one token at a time.

    A state is opaque; its rows are hypotheses.
    """

    @property
    def members(self) -> int:
        """How many models the scorer averages."""

    @property
    def device(self) -> torch.device:
        """Where its tensors live."""

    def start(self, sources: Sequence[Sequence[int]]) -> Any:
        """Encode sources, ids in the order of the text; one row each."""

    def step(self, state: Any, tokens: Tensor) -> tuple[Tensor, list[Tensor], Any]:
        """Read one token in every row.

        Args:
            state: of ``rows`` rows.
            tokens: [rows] ids.

        Returns:
            Log probabilities of the next token [rows, vocabulary]; the same of each member;
            the new state.
        """

    def select(self, state: Any, rows: Tensor) -> Any:
        """The state whose row i is row ``rows[i]`` of ``state``."""


LstmState = tuple[list[Tensor], list[Tensor]]


class LstmScorer:
    """One trained model as a scorer. States are (hidden, cell), a tensor [rows, cells] a layer."""

    members = 1

    def __init__(self, model: Seq2Seq, *, reverse_source: bool = False) -> None:
        """Score with ``model``, whose encoder reads sources last word first on request (§3.3)."""
        self.model, self.reverse_source = model, reverse_source

    @property
    def device(self) -> torch.device:
        return self.model.softmax.weight.device

    @torch.inference_mode()
    def start(self, sources: Sequence[Sequence[int]]) -> LstmState:
        """Encode ``sources``; those of one length are read together, without padding."""
        if not sources:
            return self._zeros(0)
        if self.reverse_source:
            sources = [source[::-1] for source in sources]
        lengths = [len(source) for source in sources]
        order = sorted(range(len(sources)), key=lambda index: lengths[index])
        parts: list[LstmState] = []
        begin = 0
        for end in range(1, len(order) + 1):
            if end == len(order) or lengths[order[end]] != lengths[order[begin]]:
                parts.append(self._encode([sources[index] for index in order[begin:end]]))
                begin = end
        merged = (
            [torch.cat(layer) for layer in zip(*(part[0] for part in parts), strict=True)],
            [torch.cat(layer) for layer in zip(*(part[1] for part in parts), strict=True)],
        )
        back = torch.tensor(order, device=self.device).argsort()
        return self.select(merged, back)

    def _encode(self, sources: list[Sequence[int]]) -> LstmState:
        state = self._zeros(len(sources))
        for tokens in zip(*sources, strict=True):
            inputs = self.model.source_embedding(torch.tensor(tokens, device=self.device))
            state = lstm_step(self.model.encoder, inputs, state)
        return state

    def _zeros(self, rows: int) -> LstmState:
        weight = self.model.softmax.weight
        layers, cells = self.model.shape.layers, self.model.shape.hidden_size
        return (
            [weight.new_zeros(rows, cells) for _ in range(layers)],
            [weight.new_zeros(rows, cells) for _ in range(layers)],
        )

    @torch.inference_mode()
    def step(self, state: LstmState, tokens: Tensor) -> tuple[Tensor, list[Tensor], LstmState]:
        state = lstm_step(self.model.decoder, self.model.target_embedding(tokens), state)
        softmax = self.model.softmax
        log_probs = linear(state[0][-1], softmax.weight, softmax.bias).log_softmax(1)
        return log_probs, [log_probs], state

    @torch.inference_mode()
    def select(self, state: LstmState, rows: Tensor) -> LstmState:
        hidden, cell = state
        return [each[rows] for each in hidden], [each[rows] for each in cell]


def linear(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``inputs · weightᵀ + bias`` for [rows, n] inputs, in blocks of `BLOCK_ROWS`."""
    rows = len(inputs)
    padded = F.pad(inputs, (0, 0, 0, -rows % BLOCK_ROWS))
    result = inputs.new_empty(len(padded), len(weight))
    for start in range(0, rows, BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        torch.addmm(bias, padded[block], weight.T, out=result[block])
    return result[:rows]


def lstm_step(lstm: nn.LSTM, inputs: Tensor, state: LstmState) -> LstmState:
    """One time step of all layers: [rows, size] inputs, states [rows, cells] a layer."""
    hidden: list[Tensor] = []
    cell: list[Tensor] = []
    for weights, before, memory in zip(lstm.all_weights, *state, strict=True):
        from_input, from_hidden, input_bias, hidden_bias = weights
        gates = linear(inputs, from_input, input_bias)
        gates += linear(before, from_hidden, hidden_bias)
        enter, forget, candidate, leave = gates.chunk(4, 1)
        memory = forget.sigmoid() * memory + enter.sigmoid() * candidate.tanh()
        inputs = leave.sigmoid() * memory.tanh()
        hidden.append(inputs)
        cell.append(memory)
    return hidden, cell
