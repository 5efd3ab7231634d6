"""Sentence vectors of phrases, and their picture in a plane (Figure 2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from s2s_cli.errors import UserError
from s2s_cli.inference.codec import TextCodec
from s2s_cli.inference.scorer import ModelScorer
from s2s_cli.model.directory import load_model
from s2s_cli.text.vocabulary import UNK

COMPONENTS = 2
ROUNDING = 1e-9


@dataclass(frozen=True)
class Projection:
    """Vectors in the plane of their two first principal components.

    Attributes:
        points: both coordinates of each vector.
        shares: of all variance, that of each coordinate, from 0 to 1.
    """

    points: list[tuple[float, float]]
    shares: tuple[float, float]


def phrase_vectors(
    model: Path, phrases: Sequence[str], *, tokenised: bool
) -> tuple[Tensor, list[str]]:
    """The encoder's last states after each of ``phrases``, made on the CPU.

    They are hidden and cell states of all layers, what the paper's decoder starts from (§3.4:
    8000 real numbers). Hidden states alone tell most of the last word.

    Args:
        model: a model directory, or a file of weights in one.
        phrases: lines of text, none blank, read as `s2s decode` reads its source.
        tokenised: their words stand between spaces.

    Returns:
        The vectors, and those of ``phrases`` that have words the model does not know.

    Raises:
        UserError: not a model directory.
    """
    network, description = load_model(model, torch.device("cpu"))
    scorer = ModelScorer(network, reverse_source=description.facts.reverse_source)
    sentences = TextCodec(description, tokenised=tokenised)
    sources = [sentences.source_ids(phrase) for phrase in phrases]
    unknown = [phrase for phrase, ids in zip(phrases, sources, strict=True) if UNK in ids]
    return scorer.sentence_vectors(sources), unknown


def principal_components(vectors: Tensor) -> Projection:
    """Project vectors [n, size] onto the two directions in which they vary most.

    The sign of a component is such that its largest coordinate by absolute value is positive; of
    equally large ones the first decides.

    Raises:
        UserError: all vectors are the same.
    """
    if bool((vectors == vectors[0]).all()):
        raise UserError("the encoder has one state for all phrases; there is nothing to show")
    centred = vectors.double() - vectors.double().mean(0)
    left, scale, _ = torch.linalg.svd(centred, full_matrices=False)
    scale = torch.where(scale > ROUNDING * scale[0], scale, 0.0)
    found = left[:, :COMPONENTS] * scale[:COMPONENTS]
    size = found.abs()
    first = (size >= size.amax(0) * (1 - ROUNDING)).int().argmax(0, keepdim=True)
    found = found * torch.where(found.gather(0, first) < 0, -1.0, 1.0)
    shares = scale[:COMPONENTS].square() / scale.square().sum()
    return Projection([(x, y) for x, y in found.tolist()], (float(shares[0]), float(shares[1])))
