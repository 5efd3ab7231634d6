"""One recurrent layer step by step, with its gradient: for decoders whose steps hang together."""

from collections.abc import Sequence

import torch
from torch import Tensor

from s2s_cli.model.cell_layer import Kernel, Saved
from s2s_cli.model.libraries import matrix_product
from s2s_cli.model.packed import rounded_up
from s2s_cli.model.precision import accumulation_dtype
from s2s_cli.model.products import PrepackedLinear
from s2s_cli.model.sequences import States


class LayerSteps:
    """The weights of a layer laid out, and what its gradient needs of every step.

    Attributes:
        of_inputs: [rows, n · cells] after `backward`, gradients of the sums of what is read.
    """

    def __init__(
        self, kernel: Kernel, tensors: Sequence[Tensor | None], rows: int, dtype: torch.dtype
    ) -> None:
        """Lay out weights of input and hidden state, their biases and peepholes: ``tensors``."""
        from_input, from_hidden, input_bias, self.hidden_bias, self.peepholes = tensors
        assert from_input is not None and from_hidden is not None
        self.kernel, self.kept, self.dtype = kernel, from_hidden.dtype, dtype
        self.from_input, self.from_hidden = from_input.to(dtype), from_hidden.to(dtype)
        self.biased = input_bias is not None
        self.by_input = PrepackedLinear(self.from_input, input_bias)
        self.by_hidden = PrepackedLinear(self.from_hidden, self.hidden_bias)
        empty = from_hidden.new_zeros
        self.reads = rounded_up(empty(rows, from_input.shape[1], dtype=dtype))
        self.befores = rounded_up(empty(rows, from_hidden.shape[1], dtype=dtype))
        self.saved: list[Saved] = []

    def forward(self, own: slice, read: Tensor, known: Tensor | None, before: States) -> States:
        """The states after a step.

        Args:
            own: its rows among those of all steps.
            read: [rows, size].
            known: [rows, n · cells] in the type of products, to be added to what is made of it.
            before: the states before.
        """
        rows, hidden = self.reads[own], self.befores[own]
        rows.copy_(read)
        hidden.copy_(before[0])
        sums = (
            self.by_input.multiply(rows)
            if known is None
            else self.by_input.multiply_add(rows, known)
        )
        kept = accumulation_dtype(self.dtype)
        of_hidden = self.by_hidden.multiply(hidden).to(kept)
        states, saved = self.kernel.forward(sums.to(kept), of_hidden, before, self.peepholes)
        self.saved.append(saved)
        return states

    def start_backward(self) -> None:
        """Lay out what the way back needs."""
        self.back_input = PrepackedLinear(self.from_input.T)
        self.back_hidden = PrepackedLinear(self.from_hidden.T)
        shape = len(self.befores), len(self.from_hidden)
        self.of_inputs, self.of_hiddens = (self.befores.new_zeros(shape) for _ in range(2))
        self.d_peepholes = None if self.peepholes is None else torch.zeros_like(self.peepholes)

    def backward(self, own: slice, gradients: States) -> Tensor:
        """The gradient of what a step read, given those of its states.

        These become those of the states before. Steps come in reverse order.
        """
        of_input, of_hidden = self.of_inputs[own], self.of_hiddens[own]
        for into, gradient in zip(
            (of_input, of_hidden),
            self.kernel.backward(gradients, self.saved.pop(), self.peepholes, self.d_peepholes),
            strict=True,
        ):
            into.copy_(gradient)
        gradients[0].add_(self.back_hidden.multiply(of_hidden))
        return self.back_input.multiply(of_input).to(self.kept)

    def gradients(self) -> list[Tensor | None]:
        """Gradients of the tensors that the layer was made of."""
        d_from_input, d_from_hidden = (
            matrix_product(one.T, other).to(self.kept)
            for one, other in ((self.of_inputs, self.reads), (self.of_hiddens, self.befores))
        )
        d_input_bias = self.of_inputs.sum(0, dtype=self.kept) if self.biased else None
        d_hidden_bias = self.of_hiddens.sum(0, dtype=self.kept)
        return [d_from_input, d_from_hidden, d_input_bias, d_hidden_bias, self.d_peepholes]
