"""What search knows of a model: start from sources, step with tokens, select states.

One LSTM, an ensemble, and a scripted fake in a test are the same thing to beam search and to
rescoring. The distribution of the next word comes block of rows by block of rows: that of all rows
and all words never exists.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_sequence

from s2s_cli.inference.blocks import blocks
from s2s_cli.inference.cells import DeepLstm, LstmState
from s2s_cli.inference.distribution import Softmax
from s2s_cli.inference.output import OutputLayer
from s2s_cli.model.packed import squashes
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.model.work import Precision, lstm_flops, softmax_flops

USUAL_WORDS = 16  # from which it is seen how large logits are


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

    @property
    def flops(self) -> int:
        """Floating-point operations of the products that its work so far needed (`model.work`)."""

    def start(self, sources: Sequence[Sequence[int]]) -> Any:
        """Encode sources, ids in the order of the text; one row each."""

    def step(self, state: Any, tokens: Tensor) -> Any:
        """The state after reading one token [rows] in every row."""

    def blocks(self, state: Any) -> list[slice]:
        """How its rows are cut for `softmaxes`."""

    def softmaxes(self, state: Any, block: slice) -> Iterator[Softmax]:
        """Each member's distribution of the next token after the rows of ``block``."""

    def select(self, state: Any, rows: Tensor) -> Any:
        """The state whose row i is row ``rows[i]`` of ``state``."""


class LstmScorer:
    """One trained model as a scorer."""

    members = 1

    def __init__(
        self,
        model: Seq2Seq,
        *,
        reverse_source: bool = False,
        precision: Precision = "fp32",
        origin: str = "model",
    ) -> None:
        """Lay out the weights of ``model``, which must not change afterwards.

        Args:
            model: of which the embeddings go on being used.
            reverse_source: its encoder reads sources last word first (§3.3).
            precision: bf16: weights and inputs of products are rounded to bfloat16.
            origin: where the model came from.
        """
        self.reverse_source = reverse_source
        weight = model.softmax.weight.detach()
        self.device = weight.device
        dtype = torch.bfloat16 if precision == "bf16" else weight.dtype
        self.shape, self.words_read, self.words_asked = model.shape, 0, 0
        with torch.inference_mode():
            tables = model.source_embedding.weight.detach(), model.target_embedding.weight.detach()
            self.encoder = DeepLstm(model.encoder, tables[0], dtype, origin)
            self.decoder = DeepLstm(model.decoder, tables[1], dtype, origin)
            bias = model.softmax.bias.detach()
            self.output = OutputLayer(weight, bias, dtype)
            if squashes(dtype, self.device.type):
                self.output.take_exponentials(weight, bias, self.usual_hidden())

    def usual_hidden(self) -> Tensor:
        """The decoder's top hidden states after a few words, each read at the start."""
        words = torch.arange(min(USUAL_WORDS, self.shape.target_vocabulary), device=self.device)
        return self.decoder.step(words, self.decoder.zeros(len(words))).hidden[-1]

    @property
    def flops(self) -> int:
        read = lstm_flops(self.shape, self.words_read + self.words_asked)
        return read + softmax_flops(self.shape, self.words_asked)

    @torch.inference_mode()
    def start(self, sources: Sequence[Sequence[int]]) -> LstmState:
        """Encode ``sources``, the longest first: those that have ended drop out, none is padded."""
        self.words_read += sum(map(len, sources))
        order = sorted(range(len(sources)), key=lambda index: -len(sources[index]))
        reading, ended = self.encoder.zeros(len(order)), []
        step = -1 if self.reverse_source else 1
        for words in time_steps([sources[index][::step] for index in order if sources[index]]):
            reading, others = reading.cut(len(words))
            ended.append(LstmState.joined([others]))  # a copy: a view would keep all rows
            reading = self.encoder.step(words.to(self.device), reading)
        state = LstmState.joined([reading, *reversed(ended)])
        return state.select(torch.tensor(order, dtype=torch.long, device=self.device).argsort())

    @torch.inference_mode()
    def step(self, state: LstmState, tokens: Tensor) -> LstmState:
        self.words_asked += len(tokens)
        return self.decoder.step(tokens, state)

    def row_count(self, state: LstmState) -> int:
        """How many there are."""
        return len(state.hidden[-1])

    def blocks(self, state: LstmState) -> list[slice]:
        return blocks(self.row_count(state), self.output.product)

    @torch.inference_mode()
    def softmaxes(self, state: LstmState, block: slice) -> Iterator[Softmax]:
        yield self.output.softmax(state.hidden[-1][block])

    @torch.inference_mode()
    def select(self, state: LstmState, rows: Tensor) -> LstmState:
        return state.select(rows)

    def sentence_vectors(self, sources: Sequence[Sequence[int]]) -> Tensor:
        """All last states of the encoder, hidden states first: [sources, n]."""
        state = self.start(sources)
        return torch.cat([*state.hidden, *state.cell], 1)


def time_steps(sources: Sequence[Sequence[int]]) -> Sequence[Tensor]:
    """The words read at each time; ``sources`` come the longest first, and go as they end."""
    if not sources:
        return []
    packed = pack_sequence([torch.tensor(each, dtype=torch.long) for each in sources])
    steps: Sequence[Tensor] = packed.data.split(packed.batch_sizes.tolist())
    return steps
