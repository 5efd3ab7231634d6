"""Scorers, all that search knows of a model: start from sources, step with tokens, select states.

One LSTM, an ensemble, and a scripted fake in a test are the same thing to beam search and to
rescoring. The distribution of the next word comes block of rows by block of rows: that of all rows
and all words never exists.
"""

from collections.abc import Iterator, Sequence
from threading import Lock
from typing import Any, NamedTuple, Protocol, assert_never

import torch
from torch import Tensor

from s2s_cli.inference.context import ContextLayers, SourceContext
from s2s_cli.inference.distribution import Softmax, refuse_overflow
from s2s_cli.inference.encoder import SourceEncoder
from s2s_cli.inference.layers import Layers
from s2s_cli.inference.output import OutputLayer
from s2s_cli.model.cells import exp_tanh
from s2s_cli.model.config import Precision
from s2s_cli.model.precision import product_dtype
from s2s_cli.model.products import Product, blocks, in_blocks
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.model.sequences import States
from s2s_cli.model.work import decoder_flops, encoder_flops, softmax_flops

USUAL_WORDS = 16  # from which it is seen how large logits are


class Scorer(Protocol):
    """A conditional language model that is advanced one token at a time.

    A state is opaque; its rows are hypotheses.
    """

    @property
    def members(self) -> int:
        """Number of models that the scorer averages."""

    @property
    def device(self) -> torch.device:
        """Device of its tensors."""

    @property
    def flops(self) -> int:
        """Floating-point operations of the products that its work so far needed (`model.work`)."""

    def start(self, sources: Sequence[Sequence[int]]) -> Any:
        """Encode sources, ids in the order of the text; one row each."""

    def step(self, state: Any, tokens: Tensor) -> Any:
        """The state after reading one token [rows] in every row."""

    def blocks(self, state: Any) -> list[slice]:
        """Cut its rows for `softmaxes`."""

    def softmaxes(self, state: Any, block: slice) -> Iterator[Softmax]:
        """Each member's distribution of the next token after the rows of ``block``."""

    def select(self, state: Any, rows: Tensor) -> Any:
        """The state whose row i is row ``rows[i]`` of ``state``."""


class DecoderState(NamedTuple):
    """Rows of hypotheses.

    Attributes:
        layers: the states of the decoder's layers.
        context: what else it reads at every step; None in the paper's model.
    """

    layers: States
    context: SourceContext | None

    @property
    def attention_weights(self) -> Tensor:
        """[rows, length] how much each word of the source counted; 0 behind its end."""
        assert self.context is not None and self.context.weights is not None
        return self.context.weights


class ModelScorer:
    """One trained model as a `Scorer`."""

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
            precision: bf16: weights and inputs of products are rounded to bfloat16. int8: they are
                quantised, on a CPU (`model.int8`).
            origin: where the model came from.

        Raises:
            UserError: its weights are too large to compute with; also by all that reads words.
        """
        self.reverse_source, self.shape = reverse_source, model.shape
        weight, bias = model.softmax.weight.detach(), model.softmax.bias.detach()
        self.device = weight.device
        dtype = product_dtype(precision, weight.dtype)
        self.words_read = self.words_asked = 0
        self.counting = Lock()
        with torch.inference_mode():
            self.encoder = SourceEncoder(model, dtype, reverse_source=reverse_source, origin=origin)
            table = model.target_embedding.weight.detach()
            self.decoder = Layers(self.shape.cell, model.decoder, table, dtype, origin)
            self.bridge: Product | None = None
            if model.bridge is not None:
                rows, offsets = model.bridge.affine()
                self.bridge = Product(rows, offsets, dtype)
            reads_source = self.shape.reads_vector or self.attends
            self.context = ContextLayers(model, self.decoder, dtype) if reads_source else None
            self.output = OutputLayer(weight, bias, dtype, origin)
            if self.output.logits.fuses_exp:
                self.output.fuse_exp(weight, bias, self.usual_hidden())

    @property
    def attends(self) -> bool:
        """True for a model with attention."""
        return self.shape.attention != "none"

    def usual_hidden(self) -> Tensor:
        """Return what the output layer reads after a few words, each read at the start."""
        words = torch.arange(min(USUAL_WORDS, self.shape.target_vocabulary), device=self.device)
        state = DecoderState(self.decoder.zeros(len(words)), None)
        if self.context:
            known = self.shape.source_vocabulary
            state = self.start([[word % known] for word in words.tolist()])
        hidden = self.hidden(self.step(state, words), slice(len(words)))
        self.words_read = self.words_asked = 0
        return hidden

    @property
    def flops(self) -> int:
        forward = encoder_flops(self.shape, self.words_read)
        forward += decoder_flops(self.shape, self.words_asked)
        return forward + softmax_flops(self.shape, self.words_asked)

    @torch.inference_mode()
    def start(self, sources: Sequence[Sequence[int]]) -> DecoderState:
        with self.counting:
            self.words_read += sum(map(len, sources))
        encoded = self.encoder.encode(sources, keep_outputs=self.attends)
        context = None
        if self.context:
            vectors = self.encoder.vectors(encoded.states)
            context = self.context.start(vectors, encoded.outputs)
        return DecoderState(self.first_states(encoded.states), context)

    def first_states(self, last: list[States]) -> States:
        """The decoder's first states, given the last ones of each direction of the encoder."""
        shape = self.shape
        match shape.bridge:
            case "copy":
                return last[0]
            case "linear":
                assert self.bridge is not None
                made = in_blocks(self.bridge, self.encoder.side_by_side(last))
                sizes = len(shape.states), shape.depth, shape.width
                hidden, *cell = made.unflatten(1, sizes).unbind(1)
                kinds = [exp_tanh(hidden), *cell]
                return tuple(kind[:, layer] for layer in range(shape.depth) for kind in kinds)
            case "concat":
                return self.decoder.zeros(len(last[0][0]))
            case _:
                assert_never(shape.bridge)

    @torch.inference_mode()
    def step(self, state: DecoderState, tokens: Tensor) -> DecoderState:
        with self.counting:
            self.words_asked += len(tokens)
        layers, context = state
        if context is None:
            return DecoderState(self.decoder.step(tokens, layers), None)
        layers = self.decoder.step(tokens, layers, context.beside())
        return DecoderState(layers, context.after(self.decoder.top(layers)))

    def hidden(self, state: DecoderState, block: slice) -> Tensor:
        """Return what the output layer reads after a step, for the rows of ``block``."""
        top = self.decoder.top(state.layers)
        hidden = state.context.hidden(top, block) if state.context else top[block]
        return hidden.to(self.output.logits.dtype)

    def row_count(self, state: DecoderState) -> int:
        return len(state.layers[0])

    def blocks(self, state: DecoderState) -> list[slice]:
        return blocks(self.row_count(state), self.output.product)

    @torch.inference_mode()
    def softmaxes(self, state: DecoderState, block: slice) -> Iterator[Softmax]:
        yield self.output.softmax(self.hidden(state, block))

    @torch.inference_mode()
    def select(self, state: DecoderState, rows: Tensor) -> DecoderState:
        layers = tuple(each.index_select(0, rows) for each in state.layers)
        return DecoderState(layers, state.context and state.context.select(rows))

    @torch.inference_mode()
    def sentence_vectors(self, sources: Sequence[Sequence[int]]) -> Tensor:
        """Last states of the encoder, hidden states first: [sources, n]."""
        encoded = self.encoder.encode(sources, keep_outputs=False)
        vectors = self.encoder.side_by_side(encoded.states)
        refuse_overflow(vectors, self.encoder.origin)
        return vectors
