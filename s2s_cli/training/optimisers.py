"""The optimisers: how each is made, what it keeps for every weight, and what a file may hold of it.

A new kind is a name in `OptimiserKind` and a case of `optimiser_spec`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import torch
from torch import Tensor
from torch.optim import Optimizer

from s2s_cli.model.pipeline import Model
from s2s_cli.training.config import OptimiserKind

# The largest count that a file may hold: every whole number up to it is exact as a double.
LARGEST_COUNT = 2**53


@dataclass(frozen=True)
class OptimiserSpec:
    """The facts of a kind of optimiser.

    Attributes:
        dense: makes the one that steps parameters whose gradient is dense.
        sparse: makes the one of the embeddings, whose gradient holds the rows that a batch touched;
            None: ``dense`` steps these, too.
        moments: numbers that are kept for each weight, by torch's name, and the lowest value that
            each can have.
        is_linear: a step is a multiple of the gradient, so that the rate can take its factor.
    """

    dense: Callable[[Sequence[Tensor]], Optimizer]
    sparse: Callable[[Sequence[Tensor]], Optimizer] | None
    moments: dict[str, float]
    is_linear: bool


# Rates are set at each update.
SGD = OptimiserSpec(  # without momentum (§3.4)
    dense=lambda parameters: torch.optim.SGD(parameters, lr=0.0),
    sparse=None,
    moments={},
    is_linear=True,
)
ADAM = OptimiserSpec(
    dense=lambda parameters: torch.optim.Adam(parameters, lr=0.0, fused=True),
    # "Lazy" Adam: weights and moments of words that are not in a batch stay unchanged, so that an
    # embedding table costs what the words of a batch cost. Bias is corrected for the number of all
    # updates. Epsilon is added to the root of the second moment before that correction (Kingma and
    # Ba 2015, end of §2).
    sparse=lambda tables: torch.optim.SparseAdam(tables, lr=1.0),  # it would not take 0
    moments={"exp_avg": -math.inf, "exp_avg_sq": 0.0},
    is_linear=False,
)


def optimiser_spec(kind: OptimiserKind) -> OptimiserSpec:
    match kind:
        case "sgd":
            return SGD
        case "adam":
            return ADAM
        case _:
            assert_never(kind)


@dataclass(frozen=True)
class Optimisers:
    """The optimisers of a training: of all parameters, or of embeddings and of the others.

    Attributes:
        spec: facts of their kind.
        each: that of embeddings is the last where there are two.
    """

    spec: OptimiserSpec
    each: list[Optimizer]

    @classmethod
    def of(cls, kind: OptimiserKind, model: Model) -> "Optimisers":
        """Optimisers of all parameters of ``model``."""
        spec = optimiser_spec(kind)
        if spec.sparse is None:
            return cls(spec, [spec.dense(list(model.parameters()))])
        tables = model.tables()
        others = [p for p in model.parameters() if all(p is not table for table in tables)]
        return cls(spec, [spec.dense(others), spec.sparse(tables)])

    def reserved_moments(self) -> list[Tensor]:
        """Allocate as much memory as the first step will, where that is still to come."""
        return [
            torch.empty_like(parameter)
            for optimiser in self.each
            for group in optimiser.param_groups
            for parameter in group["params"]
            if parameter not in optimiser.state
            for _ in self.spec.moments
        ]

    def check_state(self, optimiser: Optimizer, state: dict[str, Any], like: Tensor) -> None:
        """Refuse a state that ``optimiser`` cannot have of a parameter of the form of ``like``.

        Raises:
            ValueError: the state is one of those.
        """
        moments = self.spec.moments
        if not moments:
            raise ValueError("an optimiser without moments has no state")
        if set(state) != {"step", *moments}:
            raise ValueError("other entries")
        for name, lowest in moments.items():
            check_moment(state[name], like, lowest)
        check_steps(state["step"], sparse=optimiser is not self.each[0])


def check_moment(values: Any, like: Tensor, lowest: float) -> None:
    """Refuse ``values`` that are not of type and form of ``like``, finite, and ``lowest`` or more.

    Raises:
        ValueError: they are not.
    """
    if type(values) is not Tensor or values.layout != torch.strided:
        raise ValueError("no moments")
    if values.dtype != like.dtype or values.shape != like.shape:
        raise ValueError("moments of another type or shape")
    low, high = (float(each) for each in values.detach().aminmax())  # NaN where there is one
    if not (lowest <= low and math.isfinite(low) and math.isfinite(high)):
        raise ValueError("moments that are none")


def check_steps(steps: Any, *, sparse: bool) -> None:
    """Refuse what is no number of steps: torch's sparse optimisers have an int, others a tensor.

    Raises:
        ValueError: it is none.
    """
    if sparse:
        has_type = type(steps) is int
    else:
        has_type = type(steps) is Tensor and (steps.dtype, steps.shape) == (torch.float32, ())
    if not has_type or not 1 <= steps <= LARGEST_COUNT or steps != int(steps):
        raise ValueError("no number of steps")
