"""Parameters counted from a shape are those of the model's own tensors."""

import pytest
import torch
from variants import OPTIONS, shape

from s2s_cli.model.config import Shape
from s2s_cli.model.parameters import parameter_counts
from s2s_cli.model.seq2seq import Seq2Seq

SHAPES = {"plain": Shape(11, 9, 3, 6, 5), **{name: shape(name) for name in OPTIONS}}


@pytest.mark.parametrize("name", SHAPES)
def test_each_part_has_as_many_parameters_as_it_is_said_to_have(name: str) -> None:
    with torch.device("meta"):
        model = Seq2Seq(SHAPES[name])
    named = {
        part.replace("embedding", "embeddings").replace("_", " "): sum(
            each.numel() for each in module.parameters()
        )
        for part, module in model.named_children()
    }
    assert parameter_counts(SHAPES[name]) == {part: count for part, count in named.items() if count}


def test_the_papers_model_has_the_384_million_of_the_paper_and_biases() -> None:
    """Section 3.4; the 64 million of the recurrent layers are pure weights."""
    counts = parameter_counts(Shape(160_000, 80_000, 4, 1000, 1000))
    biases = 80_000 + 2 * 4 * 2 * 4 * 1000
    assert sum(counts.values()) == 384_000_000 + biases
    assert counts["encoder"] + counts["decoder"] == 64_000_000 + biases - 80_000
