"""The number of parameters of each part of a model, from its shape alone. No torch."""

from math import prod
from typing import assert_never

from s2s_cli.model.config import AttentionScore, Cell, Shape, cell_kind


def parameter_counts(shape: Shape) -> dict[str, int]:
    """The parameters by part, as the paper counts them (§3.4); those that there are."""
    size = shape.embedding_size
    encoder = layers_parameters(shape.cell, size, shape.hidden_size, shape.layers)
    counts = {
        "source embeddings": shape.source_vocabulary * size,
        "target embeddings": shape.target_vocabulary * size,
        "softmax": linear_parameters(shape.output_size, shape.target_vocabulary),
        "encoder": encoder,
        "decoder": layers_parameters(shape.cell, shape.input_size, shape.width, shape.depth),
        "encoder backward": encoder if shape.bidirectional else 0,
        "bridge": bridge_parameters(shape),
        "attention": 0
        if shape.attention == "none"
        else attention_parameters(shape.attention, shape),
    }
    return {part: count for part, count in counts.items() if count}


def linear_parameters(inputs: int, outputs: int) -> int:
    """Weights and biases of a linear layer."""
    return (inputs + 1) * outputs


def layers_parameters(cell: Cell, inputs: int, cells: int, layers: int) -> int:
    """Parameters of recurrent layers, the first of which reads ``inputs`` numbers.

    As in ``torch.nn``, a gate has two biases.
    """
    kind = cell_kind(cell)
    of_a_gate = layers * (cells + 2) + inputs + (layers - 1) * cells
    return cells * (len(kind.gates) * of_a_gate + layers * kind.peepholes)


def bridge_parameters(shape: Shape) -> int:
    """Parameters of the layer from the encoder's last states to the decoder's first."""
    match shape.bridge:
        case "copy" | "concat":
            return 0
        case "linear":
            states = len(shape.states)
            last = prod((states, shape.directions, shape.layers, shape.hidden_size))
            return linear_parameters(last, states * shape.depth * shape.width)
        case _:
            assert_never(shape.bridge)


def attention_parameters(score: AttentionScore, shape: Shape) -> int:
    """Parameters of the score, and of the layer that joins context and hidden state."""
    outputs, width = shape.vector_size, shape.width
    combine = (outputs + width) * width
    match score:
        case "dot":
            return combine
        case "general":
            return combine + width * outputs
        case "additive":
            return combine + width * width + linear_parameters(outputs, width) + width
        case _:
            assert_never(score)
