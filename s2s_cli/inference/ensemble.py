"""Several models as one scorer: the probabilities of its members are averaged at each step."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from s2s_cli.errors import UserError
from s2s_cli.inference.distribution import Softmax
from s2s_cli.inference.scorer import ModelScorer, Scorer
from s2s_cli.model.config import Precision
from s2s_cli.model.description import Description
from s2s_cli.model.device import keep_memory
from s2s_cli.model.directory import load_model
from s2s_cli.model.precision import check_device, choose_tensor_cores
from s2s_cli.model.products import blocks
from s2s_cli.text.facts import Facts
from s2s_cli.text.subwords import Subwords


class Ensemble:
    """The arithmetic mean of the members' probabilities of the next word."""

    def __init__(self, scorers: Sequence[ModelScorer]) -> None:
        self.scorers = list(scorers)

    @property
    def members(self) -> int:
        return len(self.scorers)

    @property
    def device(self) -> torch.device:
        return self.scorers[0].device

    @property
    def flops(self) -> int:
        return sum(each.flops for each in self.scorers)

    def start(self, sources: Sequence[Sequence[int]]) -> list[Any]:
        return [each.start(sources) for each in self.scorers]

    def step(self, state: list[Any], tokens: Tensor) -> list[Any]:
        return [each.step(part, tokens) for each, part in zip(self.scorers, state, strict=True)]

    def blocks(self, state: list[Any]) -> list[slice]:
        rows = self.scorers[0].row_count(state[0])
        return blocks(rows, *(each.output.product for each in self.scorers))

    def softmaxes(self, state: list[Any], block: slice) -> Iterator[Softmax]:
        for each, part in zip(self.scorers, state, strict=True):
            yield from each.softmaxes(part, block)

    def select(self, state: list[Any], rows: Tensor) -> list[Any]:
        return [each.select(part, rows) for each, part in zip(self.scorers, state, strict=True)]


def load_scorer(
    models: Sequence[Path], device: torch.device, precision: Precision = "fp32"
) -> tuple[Scorer, Description]:
    """One model, or the ensemble of several; the description is the first one's.

    Raises:
        UserError: not a model directory; members that differ in vocabularies or tokenising; int8 on
            a GPU.
    """
    check_device(device, precision)
    choose_tensor_cores(device, precision)
    keep_memory()
    loaded = [load_model(path, device, tables_checked=False) for path in models]
    descriptions = [description for _, description in loaded]
    for path, description in zip(models, descriptions, strict=True):
        check_agreement(models[0], descriptions[0], path, description)
    scorers = [
        ModelScorer(
            model,
            reverse_source=description.facts.reverse_source,
            precision=precision,
            origin=str(path),
        )
        for path, (model, description) in zip(models, loaded, strict=True)
    ]
    return scorers[0] if len(scorers) == 1 else Ensemble(scorers), descriptions[0]


def check_agreement(path: Path, first: Description, other_path: Path, other: Description) -> None:
    """Members must read and write the same words; forward and reversed ones may be mixed."""
    differing = [
        name
        for name, one, two in (
            ("source vocabulary", first.source_vocabulary.digest, other.source_vocabulary.digest),
            ("target vocabulary", first.target_vocabulary.digest, other.target_vocabulary.digest),
            ("languages, tokeniser or pieces", decisive(first.facts), decisive(other.facts)),
        )
        if one != two
    ]
    if differing:
        raise UserError(
            f"{other_path} and {path} differ in {' and '.join(differing)}; "
            "the members of an ensemble are trained on the same data directory"
        )


def decisive(facts: Facts) -> tuple[str, str, bool, Subwords]:
    """Facts that the members of an ensemble must agree in, besides the words."""
    return *facts.languages, facts.tokenised, facts.subwords
