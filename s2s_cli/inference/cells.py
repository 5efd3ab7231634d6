"""A deep LSTM that reads one word in each of many rows at a time, as search needs it (§2).

Of the formulation that ``nn.LSTM`` has, with three things done beforehand:

- The first layer's product of a word's embedding is the same whenever the word comes: `Inputs`
  computes it once a word. In the layers above, the products of input and of state are one.
- Weights of the gates are negated, so that the logistic function of a gate is 1 / (1 + exp(.));
  those of the candidate are also doubled, as tanh(x) = 2 σ(2x) - 1. Both change no bit.
- Products are blocks of fixed size (`blocks`). What is done element by element is made of
  exponentials and arithmetic alone, whose results do not depend on the place in a tensor;
  ``sigmoid`` of torch rounds otherwise at the end of one.
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from s2s_cli.errors import UserError
from s2s_cli.inference.blocks import SMALL, Product, blocks

# What the products of words may take in memory.
TABLE_BYTES = 1 << 28


class LstmState(NamedTuple):
    """A tensor [rows, cells] a layer; ``hidden`` in the type of the products."""

    hidden: list[Tensor]
    cell: list[Tensor]

    def select(self, rows: Tensor) -> "LstmState":
        """Row i becomes row ``rows[i]``."""
        return LstmState(*([each.index_select(0, rows) for each in part] for part in self))

    def cut(self, rows: int) -> "tuple[LstmState, LstmState]":
        """The first ``rows``, and the others."""
        first = LstmState(*([each[:rows] for each in part] for part in self))
        return first, LstmState(*([each[rows:] for each in part] for part in self))

    @staticmethod
    def joined(states: "Iterable[LstmState]") -> "LstmState":
        """The rows of the first state, of the second, and so on; there is at least one."""
        return LstmState(
            *(
                [torch.cat(layer) for layer in zip(*part, strict=True)]
                for part in zip(*states, strict=True)
            )
        )


class DeepLstm:
    """The layers of an encoder or a decoder, with the embedding that they read."""

    def __init__(
        self, lstm: nn.LSTM, embedding: Tensor, dtype: torch.dtype, origin: str = ""
    ) -> None:
        """Lay out the weights of a trained LSTM.

        Args:
            lstm: of any number of layers.
            embedding: [words, size], whose rows it reads.
            dtype: of products; cells and all else are of the embedding's own type.
            origin: where the weights came from.

        Raises:
            UserError: by `step`, for an embedding that is no finite number.
        """
        self.cells, self.layers = lstm.hidden_size, lstm.num_layers
        self.dtype, self.exact, self.device = dtype, embedding.dtype, embedding.device
        self.products: list[Product] = []
        for layer, (of_input, of_hidden, input_bias, hidden_bias) in enumerate(lstm.all_weights):
            scale = of_input.new_tensor([-1.0, -1.0, -2.0, -1.0])
            scale = scale.repeat_interleave(self.cells)[:, None]
            bias = (input_bias + hidden_bias) * scale[:, 0]
            if layer == 0:
                self.inputs = Inputs(embedding, of_input * scale, bias, origin)
                self.products.append(Product((of_hidden * scale).to(dtype)))
            else:
                weight = torch.cat([of_input, of_hidden], 1).mul_(scale)
                self.products.append(Product(weight.to(dtype), bias))

    def zeros(self, rows: int) -> LstmState:
        """The state before the first word."""
        return LstmState(
            *(
                [torch.zeros(rows, self.cells, dtype=dtype, device=self.device)] * self.layers
                for dtype in (self.dtype, self.exact)
            )
        )

    def step(self, words: Tensor, state: LstmState) -> LstmState:
        """Read one word [rows] in each row."""
        slots = self.inputs.slots(words)
        parts = [
            self._block(self.inputs.table.index_select(0, slots[block]), state, block)
            for block in blocks(len(words), *self.products)
        ]
        return LstmState.joined(parts) if parts else self.zeros(0)

    def _block(self, inputs: Tensor, state: LstmState, block: slice) -> LstmState:
        """All layers for the rows of ``block``; ``inputs`` is the product of their words."""
        after = LstmState([], [])
        for layer, product in enumerate(self.products):
            before = state.hidden[layer][block]
            if layer == 0:
                gates = inputs.add_(product(before))
            else:
                gates = product(torch.cat([after.hidden[-1], before], 1)).to(self.exact)
            hidden, cell = memorise(gates, state.cell[layer][block])
            after.hidden.append(hidden.to(self.dtype))
            after.cell.append(cell)
        return after


def memorise(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """One time step of one layer, given the sums that its gates see (Graves 2013).

    Args:
        cell: [rows, cells] before.
        gates: [rows, 4 · cells] sums for the input gate, the forget gate, the candidate and the
            output gate, negated, the candidate's doubled; overwritten.

    Returns:
        Hidden and cell state after, [rows, cells].
    """
    enter, forget, candidate, leave = gates.exp_().add_(1).reciprocal_().chunk(4, 1)
    memory = (forget * cell).addcmul_(enter, candidate, value=2).sub_(enter)
    squashed = memory.mul(-2).exp_().add_(1).reciprocal_()
    return squashed.mul_(leave).mul_(2).sub_(leave), memory


class Inputs:
    """The product of each word's embedding with the first layer's weights, computed once.

    Attributes:
        table: [slots, n]; only slots that `slots` gave are filled.
    """

    def __init__(self, embedding: Tensor, weight: Tensor, bias: Tensor, origin: str = "") -> None:
        """Products are ``embedding[word] · weightᵀ + bias``: [n] for weights [n, size].

        ``origin`` is where the embedding came from; its rows are looked at when they are used.
        """
        self.embedding, self.product, self.origin = embedding, Product(weight, bias), origin
        words, size = len(embedding), len(weight)
        capacity = min(words, max(SMALL, TABLE_BYTES // (size * embedding.element_size())))
        self.table = embedding.new_empty(capacity, size)
        self.slot = torch.full((words,), -1, device=embedding.device)
        self.filled = 0

    def slots(self, words: Tensor) -> Tensor:
        """Where in the table ``words`` [rows] are; good until the next call."""
        slots = self.slot[words]
        if bool((slots < 0).any()):
            self._fill(words)
            slots = self.slot[words]
        return slots

    def _fill(self, words: Tensor) -> None:
        """Compute those of ``words`` that are missing; a table that is full starts afresh."""
        words = words.unique()
        missing = words[self.slot[words] < 0]
        if self.filled + len(missing) > len(self.table):
            self.slot.fill_(-1)
            self.filled, missing = 0, words
        if len(missing) > len(self.table):
            self.table = self.table.new_empty(len(missing), self.table.shape[1])
        for block in blocks(len(missing), self.product):
            chosen = missing[block]
            product = self.product(self.embedding[chosen])
            if not bool(product.isfinite().all()):
                raise UserError(f"{self.origin}: an embedding holds numbers that are not finite")
            end = self.filled + len(chosen)
            self.slot[chosen] = torch.arange(self.filled, end, device=chosen.device)
            self.table[self.filled : end] = product
            self.filled = end
