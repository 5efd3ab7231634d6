"""Recurrent layers that read one word in each of many rows at a time, as search needs it (§2).

They compute what ``torch.nn`` does, with three things done beforehand:

- The first layer's product of a word's embedding is the same whenever the word comes: `WordTable`
  computes it once a word. In the layers above, the products of input and of state are one.
- Weights are negated, so that the logistic function is 1 / (1 + exp(.)); those of what tanh
  squashes are doubled, too (`model.cells`). Both change no bit.
- Products are blocks of fixed size (`blocks`). What is done element by element is made of
  exponentials and arithmetic alone, whose results do not depend on the place in a tensor;
  ``sigmoid`` of torch rounds otherwise at the end of one.
"""

from collections.abc import Sequence
from threading import Lock
from typing import assert_never

import torch
from torch import Tensor, nn

from s2s_cli.errors import UserError
from s2s_cli.inference.distribution import refuse_overflow
from s2s_cli.model.cells import EXPONENTIALS, cell_step, step_weights
from s2s_cli.model.config import Cell, cell_kind
from s2s_cli.model.products import SMALL, Product, blocks
from s2s_cli.model.sequences import States

# What the products of words may take in memory.
TABLE_BYTES = 1 << 28


class Layers:
    """The layers of an encoder or a decoder, with the embedding that they read.

    Their states are one tuple of [rows, cells] each: of the lowest layer the hidden state, and of
    LSTMs the cell state, then those of the layer above.
    """

    def __init__(
        self,
        cell: Cell,
        layers: nn.RNNBase,
        embedding: Tensor,
        compute_dtype: torch.dtype,
        origin: str = "",
    ) -> None:
        """Lay out the weights of trained layers.

        Args:
            cell: their kind.
            layers: any number; the first may read other things beside a word.
            embedding: [words, size], whose rows it reads.
            compute_dtype: of products, as `Product` takes it; all else is of the embedding's
                own type.
            origin: where the weights came from.

        Raises:
            UserError: by `step`, for an embedding that is no finite number, or whose product is
                none.
        """
        self.cell: Cell = cell
        self.kinds, self.cells = len(cell_kind(cell).states), layers.hidden_size
        self.dtype = embedding.dtype
        weights = [step_weights(cell, layers, n, EXPONENTIALS) for n in range(layers.num_layers)]
        self.peepholes = [each.peepholes for each in weights]
        first, *others = weights
        size = embedding.shape[1]
        self.words = WordTable(embedding, first.input[:, :size], first.bias, origin)
        self.beside = first.input[:, size:]
        self.products = [Product(first.hidden, dtype=compute_dtype)]
        for each in others:
            joint = torch.cat([each.input, each.hidden], 1)
            self.products.append(Product(joint, each.bias, compute_dtype))
        self.compute_dtype = self.products[0].dtype

    @property
    def hidden_dtype(self) -> torch.dtype:
        """The type of hidden states between steps: that of products, if all else that reads them.

        A GRU adds to its hidden state.
        """
        match self.cell:
            case "lstm" | "lstm-peephole" | "rnn":
                return self.compute_dtype
            case "gru":
                return self.dtype
            case _:
                assert_never(self.cell)

    def zeros(self, rows: int) -> States:
        """The states before the first word."""
        zeros = self.words.embedding.new_zeros(rows, self.cells)
        of_layer = (zeros.to(self.hidden_dtype), *[zeros] * (self.kinds - 1))
        return of_layer * len(self.products)

    def top(self, states: States) -> Tensor:
        """The hidden states of the top layer, [rows, cells]."""
        return states[-self.kinds]

    def by_kind(self, states: States) -> list[States]:
        """The hidden states of all layers; then the cell states, if there are any."""
        return [states[kind :: self.kinds] for kind in range(self.kinds)]

    def step(self, words: Tensor, before: States, beside: Sequence[Tensor] = ()) -> States:
        """Read one word [rows] in each row.

        Args:
            words: ids.
            before: the states before.
            beside: [rows, n] each, products of what else the first layer reads.
        """
        table, places = self.words.find(words)
        parts = []
        for block in blocks(len(words), *self.products):
            sums = table.index_select(0, places[block])
            for each in beside:
                sums += each[block]
            parts.append(self._block(sums, tuple(each[block] for each in before)))
        if len(parts) == 1:
            return parts[0]
        return tuple(map(torch.cat, zip(*parts, strict=True))) if parts else self.zeros(0)

    def _block(self, sums: Tensor, before: States) -> States:
        """Step all layers for one of `blocks`; ``sums`` is the product of the first one's input."""
        after: list[Tensor] = []
        for layer, (product, peepholes) in enumerate(
            zip(self.products, self.peepholes, strict=True)
        ):
            states = before[layer * self.kinds : (layer + 1) * self.kinds]
            hidden = states[0].to(self.compute_dtype)
            if not after:
                sums = sums.add_(product(hidden))
            else:
                read = after[-self.kinds].to(self.compute_dtype)
                sums = product(torch.cat([read, hidden], 1)).to(self.dtype)
            top, *cell = cell_step(self.cell, sums, states, peepholes, EXPONENTIALS)
            after += [top.to(self.hidden_dtype), *cell]
        return tuple(after)


class WordTable:
    """The product of each word's embedding with the first layer's weights, computed once.

    Several threads may use it.

    Attributes:
        entries: a table [slots, n], and where in it each word is, [words]; -1 if nowhere.
    """

    def __init__(self, embedding: Tensor, weight: Tensor, bias: Tensor, origin: str = "") -> None:
        """Products are ``embedding[word] · weightᵀ + bias``: [n] for weights [n, size].

        ``origin`` is where the embedding came from; its rows are looked at when they are used.
        """
        self.embedding, self.product, self.origin = embedding, Product(weight, bias), origin
        words, size = len(embedding), len(weight)
        capacity = min(words, max(SMALL, TABLE_BYTES // (size * embedding.element_size())))
        slot = torch.full((words,), -1, device=embedding.device)
        self.entries = embedding.new_empty(capacity, size), slot
        self.filled, self.filling = 0, Lock()

    def find(self, words: Tensor) -> tuple[Tensor, Tensor]:
        """A table, and the places [rows] in it where ``words`` [rows] are."""
        table, slot = self.entries
        places = slot[words]
        if bool((places < 0).any()):
            with self.filling:
                table, slot = self._filled_with(words)
            places = slot[words]
        return table, places

    def _filled_with(self, words: Tensor) -> tuple[Tensor, Tensor]:
        """Compute those of ``words`` that are missing; entries that have no room are made anew.

        Those before stay as they are, for threads that found words there. A place is found only
        once it is filled.
        """
        table, slot = self.entries
        words = words.unique()
        missing = words[slot[words] < 0]
        if self.filled + len(missing) > len(table):
            self.filled, missing = 0, words
            slot = torch.full_like(slot, -1)
            table = table.new_empty(max(len(words), len(table)), table.shape[1])
        for block in blocks(len(missing), self.product):
            chosen = missing[block]
            rows = self.embedding[chosen]
            product = self.product(rows)
            if not bool(rows.isfinite().all()):
                raise UserError(f"{self.origin}: an embedding holds numbers that are not finite")
            refuse_overflow(product, self.origin)
            end = self.filled + len(chosen)
            table[self.filled : end] = product
            slot[chosen] = torch.arange(self.filled, end, device=chosen.device)
            self.filled = end
        self.entries = table, slot
        return self.entries
