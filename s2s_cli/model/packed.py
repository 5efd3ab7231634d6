"""Recurrent layers over packed sentences of different lengths, without padding (§2)."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from s2s_cli.model.precision import accumulation_dtype, autocast_dtype, full_precision
from s2s_cli.model.sequences import States

# Rows of a product over a whole batch, or over its distinct words, are filled up to a multiple of
# this: kernels are prepared for each number of rows.
ROWS_MULTIPLE = 64

Recurrent = TypeVar("Recurrent", bound="PackedLayers")


class LayerInput(NamedTuple):
    """All that a layer reads.

    Attributes:
        rows: [rows, size] those of the first time step, then those of the second; or, with a
            row index, the distinct ones among them.
        row_index: [rows] of the distinct row that each row is; or None.
        sizes: rows of each time step.
        dtype: of products.
    """

    rows: Tensor
    row_index: Tensor | None
    sizes: list[int]
    dtype: torch.dtype


class PackedLayers(nn.RNNBase):
    """Layers with the parameters and results of ``torch.nn``.

    On a GPU they are torch's own, that is cuDNN. On a CPU, torch's own cannot know that a batch
    holds the same words again and again, and have no products in bf16 with sums in fp32: here, what
    the first layer makes of a word is computed once for all its occurrences, and so is its share of
    the gradient, and products are of the type of autocast.

    Attributes:
        kinds: states of a layer: hidden, and of LSTMs cell.
        in_cudnn: true where cuDNN has these layers.
        alone: each layer by itself, with the same parameters; made where they are needed.
    """

    kinds: int
    in_cudnn = True
    alone: Sequence["PackedLayers"] = ()

    def forward(
        self, inputs: PackedSequence, states: States | None = None
    ) -> tuple[PackedSequence, States]:
        """Read all time steps.

        Args:
            inputs: packed sequences of [size] each.
            states: to start from, each [layers, batch, cells], in the order of the batch; zeros
                if None.

        Returns:
            The top layer's hidden state at every step, packed as ``inputs``; the states of all
            layers after each sequence's last step.
        """
        if self._runs_in_cudnn(inputs):
            return self._cudnn(inputs, states)
        return self._read(inputs, inputs.data, None, states)

    def read_words(
        self, words: PackedSequence, table: nn.Embedding, states: States | None = None
    ) -> tuple[PackedSequence, States]:
        """Read the vectors that ``words``, packed ids, have in ``table``, as `forward` would."""
        if self._runs_in_cudnn(words):
            return self._cudnn(words._replace(data=table(words.data)), states)
        distinct, index = words_and_index(words.data)
        return self._read(words, table(distinct), index, states)

    def read_step(self, rows: Tensor, before: States) -> tuple[Tensor, States]:
        """Read a step's ``rows`` [rows, size] by torch's own layers, that is cuDNN on a GPU.

        Args:
            rows: of the first sentences of those that ``before`` has.
            before: states [layers, sentences, cells].

        Returns:
            The top layer's hidden states [rows, cells]; the states after, of these sentences.
        """
        step = PackedSequence(rows, torch.tensor([len(rows)]))
        output, after = self._cudnn(
            step, tuple(each[:, : len(rows)].contiguous() for each in before)
        )
        return output.data, after

    def _runs_in_cudnn(self, inputs: PackedSequence) -> bool:
        return self.in_cudnn and inputs.data.device.type != "cpu"

    def _cudnn(
        self, inputs: PackedSequence, states: States | None
    ) -> tuple[PackedSequence, States]:
        """Torch's own layers; under autocast they would compute in fp16, cell states included."""
        if self.dropout > 0:
            return self._cudnn_dropout(inputs, states)
        first: Any = states if states is None or self.kinds > 1 else states[0]
        with full_precision(inputs.data):
            output, last = super().forward(inputs, first)
        return output, last if self.kinds > 1 else (last,)

    def _cudnn_dropout(
        self, inputs: PackedSequence, states: States | None
    ) -> tuple[PackedSequence, States]:
        """Torch's own layers one by one, with dropout between them by torch's generator.

        That of cuDNN has a state of its own, which can be neither saved nor set.
        """
        last = []
        for number, layer in enumerate(self._layers_alone()):
            if number:
                rows = F.dropout(inputs.data, self.dropout, self.training)
                inputs = inputs._replace(data=rows)
            before = states and tuple(each[number : number + 1] for each in states)
            inputs, after = layer.train(self.training)._cudnn(inputs, before)
            last.append(after)
        return inputs, tuple(torch.cat(each) for each in zip(*last, strict=True))

    def _layers_alone(self) -> Sequence["PackedLayers"]:
        """Each layer by itself, its weights in one piece of memory, as cuDNN wants them."""
        if not self.alone:
            layers = [layer_alone(self, layer) for layer in range(self.num_layers)]
            for each in layers:
                each.flatten_parameters()
            self.alone = layers
        return self.alone

    def _apply(self, *arguments: Any, **options: Any) -> Self:
        """Move the weights, which then are in other pieces of memory."""
        self.alone = ()
        return super()._apply(*arguments, **options)  # type: ignore[no-untyped-call,no-any-return]

    def _read(
        self, form: PackedSequence, rows: Tensor, index: Tensor | None, states: States | None
    ) -> tuple[PackedSequence, States]:
        """Read ``rows``, or ``rows[index]``; ``form`` says which is what step of what sequence."""
        if states is not None and form.sorted_indices is not None:
            states = tuple(each.index_select(1, form.sorted_indices) for each in states)
        hidden, after = self._layers(rows, index, form.batch_sizes.tolist(), states)
        if form.unsorted_indices is not None:
            after = tuple(each.index_select(1, form.unsorted_indices) for each in after)
        return form._replace(data=hidden), after

    def _layers(
        self, rows: Tensor, index: Tensor | None, sizes: list[int], states: States | None
    ) -> tuple[Tensor, States]:
        """Run all layers over rows of which ``sizes[t]`` belong to time step t."""
        dtype = autocast_dtype(rows)
        if states is None:
            kept = accumulation_dtype(dtype)
            zeros = rows.new_zeros(self.num_layers, sizes[0], self.hidden_size, dtype=kept)
            states = (zeros,) * self.kinds
        last = []
        with torch.autocast(rows.device.type, enabled=False):  # the types are chosen by hand
            for layer in range(self.num_layers):
                if layer:
                    rows = F.dropout(rows, self.dropout, self.training)
                before = tuple(each[layer] for each in states)
                read = LayerInput(rows, index, sizes, dtype)
                rows, after = self.read_layer(layer, read, before)
                index = None
                last.append(after)
        return rows, tuple(torch.stack(each) for each in zip(*last, strict=True))

    def read_layer(self, layer: int, read: LayerInput, before: States) -> tuple[Tensor, States]:
        """Run layer number ``layer``, from the states ``before`` its first step.

        Returns:
            Hidden states [rows, cells]; the states after the last step, [batch, cells] each.
        """
        raise NotImplementedError


def words_and_index(words: Tensor) -> tuple[Tensor, Tensor | None]:
    """The distinct ids among ``words``, and which of them each is; on a GPU all, and None.

    There the host would have to wait for their number, and products are the smaller share.
    """
    if words.device.type != "cpu":
        return words, None
    distinct, index = words.unique(return_inverse=True)
    return distinct, index


def layer_alone(layers: Recurrent, index: int) -> Recurrent:
    """Layer ``index`` of ``layers`` as layers of its own, with the same parameters."""
    size = getattr(layers, f"weight_ih_l{index}").shape[1]
    alone = type(layers)(size, layers.hidden_size, device="meta")  # type: ignore[call-arg]
    for name, _ in list(alone.named_parameters()):
        setattr(alone, name, getattr(layers, f"{name.removesuffix('_l0')}_l{index}"))
    return alone


def sums_by_index(rows: Tensor, index: Tensor, size: int) -> Tensor:
    """[size, n]: the sum of all ``rows`` that have one ``index``, in fp32 or better on the way."""
    dtype = accumulation_dtype(rows.dtype)
    result = rows.new_zeros(size, rows.shape[1], dtype=dtype)
    return result.index_add_(0, index, rows.to(dtype)).to(rows.dtype)


def rounded_up(rows: Tensor) -> Tensor:
    """``rows`` and as many of zeros as make their number a multiple of `ROWS_MULTIPLE`."""
    return F.pad(rows, (0, 0, 0, -len(rows) % ROWS_MULTIPLE))


def sigmoid_backward(gradient: Tensor, output: Tensor, out: Tensor) -> Tensor:
    """``gradient · output · (1 - output)`` in one pass."""
    return torch.ops.aten.sigmoid_backward.grad_input(gradient, output, grad_input=out)  # type: ignore[no-any-return]


def tanh_backward(gradient: Tensor, output: Tensor, out: Tensor) -> Tensor:
    """``gradient · (1 - output²)`` in one pass."""
    return torch.ops.aten.tanh_backward.grad_input(gradient, output, grad_input=out)  # type: ignore[no-any-return]


def zeros_or_copy(gradient: Tensor | None, like: Tensor) -> Tensor:
    return torch.zeros_like(like) if gradient is None else gradient.clone()
