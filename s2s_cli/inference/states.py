"""Sentence vectors of phrases, and their picture in a plane (Figure 2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from s2s_cli.errors import UserError
from s2s_cli.inference.replicas import LoadedModel
from s2s_cli.inference.scorer import ModelScorer
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


def phrase_vectors(model: LoadedModel, phrases: Sequence[str]) -> tuple[Tensor, list[str]]:
    """The encoder's last states after each of ``phrases``.

    They are hidden and cell states of all layers, what the paper's decoder starts from (§3.4:
    8000 real numbers). Hidden states alone tell most of the last word.

    Args:
        model: one model, no ensemble.
        phrases: lines of text, none blank, read as `s2s decode` reads its source.

    Returns:
        The vectors on the CPU, and those of ``phrases`` that have words the model does not know.

    Raises:
        UserError: an ensemble; a blank phrase.
    """
    scorer = model.scorer
    if not isinstance(scorer, ModelScorer):
        raise UserError("sentence vectors are those of one model, not of an ensemble")
    sources = [model.codec.source_ids(phrase) for phrase in phrases]
    if not all(sources):
        raise UserError(f"phrase {sources.index([]) + 1} is blank and has no sentence vector")
    unknown = [phrase for phrase, ids in zip(phrases, sources, strict=True) if UNK in ids]
    return scorer.sentence_vectors(sources).cpu(), unknown


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
