"""Input feeding: the decoder reads the attentional hidden state of the step before (Luong et al.
2015, §3.3), so that its steps follow one another, and its layers cannot read all steps at once.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from s2s_cli.model.attention import Attention
from s2s_cli.model.cells import StepWeights, cell_step, step_weights
from s2s_cli.model.config import Cell
from s2s_cli.model.encoder import Encoded
from s2s_cli.model.precision import full_precision
from s2s_cli.model.sequences import States


def decode_feeding(
    cell: Cell, layers: nn.RNNBase, attention: Attention, inputs: PackedSequence, encoded: Encoded
) -> Tensor:
    """Attentional hidden states at all steps: [rows, cells], those of ``inputs.data``.

    Args:
        cell: of the layers.
        layers: of the decoder.
        attention: to the words of the source.
        inputs: [size] what else the decoder reads at each step, packed.
        encoded: the sources.
    """
    order = inputs.sorted_indices
    assert order is not None and encoded.words is not None
    with full_precision(inputs.data):
        weights = [step_weights(cell, layers, layer) for layer in range(layers.num_layers)]
        states = list(zip(*(each[:, order].unbind() for each in encoded.states), strict=True))
        words = encoded.words.rows(order)
        attentional = inputs.data.new_zeros(len(order), layers.hidden_size)
        found = []
        for read in inputs.data.split(inputs.batch_sizes.tolist()):
            going_on = slice(len(read))  # the others have ended; nobody asks for their states
            rows = torch.cat([read, attentional[going_on]], 1)
            states = [tuple(each[going_on] for each in layer) for layer in states]
            dropout = layers.dropout if layers.training else 0.0
            states = step_layers(cell, weights, rows, states, dropout)
            attentional = attention(states[-1][0][:, None], words.rows(going_on)).squeeze(1)
            found.append(attentional)
    return torch.cat(found)


def step_layers(
    cell: Cell,
    weights: Sequence[StepWeights],
    rows: Tensor,
    states: Sequence[States],
    dropout: float,
) -> list[States]:
    """One time step of all layers: the states of each after it, given those before it."""
    after: list[States] = []
    for layer, before in zip(weights, states, strict=True):
        if after:
            rows = F.dropout(after[-1][0], dropout)
        sums = F.linear(rows, layer.input, layer.bias) + F.linear(before[0], layer.hidden)
        after.append(cell_step(cell, sums, before, layer.peepholes))
    return after
