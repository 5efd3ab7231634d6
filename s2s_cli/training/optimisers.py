"""The optimisers: their steps, what they keep for every weight, and what a file may hold of it.

A new kind is a name in `OptimiserKind` and a case of `optimiser_spec`. A step uses torch's kernels
and gives the bits of torch's own optimisers. These are not used: making one imports torch's
compiler, which takes nearly as long as importing torch.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import torch
from torch import Tensor

from s2s_cli.model.pipeline import Model
from s2s_cli.training.config import OptimiserKind

# The largest count that a file may hold: every whole number up to it is exact as a double.
LARGEST_COUNT = 2**53
# Decay of the two moments of Adam, and what is added to the root of the second one.
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Sgd:
    """Stochastic gradient descent without momentum (§3.4).

    Attributes:
        parameters: that it steps.
        state: what it keeps for a parameter, by name.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self.parameters = list(parameters)
        self.state: dict[Tensor, dict[str, Any]] = {}

    def step(self, rate: float) -> None:
        """Move each parameter by -``rate`` times its gradient, which may be sparse."""
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.add_(parameter.grad, alpha=-rate)


class Adam(Sgd):
    """Adam (Kingma and Ba 2015), one kernel for all parameters of a device."""

    def step(self, rate: float) -> None:
        """Step all parameters whose gradient, a dense one, is there."""
        by_device: dict[torch.device, list[Tensor]] = {}
        for parameter in self.parameters:
            if parameter.grad is not None:
                by_device.setdefault(parameter.device, []).append(parameter)
        for parameters in by_device.values():
            gradients = [each.grad for each in parameters if each.grad is not None]
            states = [self.state_of(each) for each in parameters]
            first, second, steps = (
                [each[name] for each in states] for name in ("exp_avg", "exp_avg_sq", "step")
            )
            torch._foreach_add_(steps, 1)
            torch._fused_adam_(
                *(parameters, gradients, first, second, [], steps),
                lr=rate,
                beta1=BETA1,
                beta2=BETA2,
                weight_decay=0.0,
                eps=EPSILON,
                amsgrad=False,
                maximize=False,
            )

    def state_of(self, parameter: Tensor) -> dict[str, Any]:
        """The state of a parameter, zeros at first."""
        if parameter not in self.state:
            self.state[parameter] = {
                "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }
        return self.state[parameter]


class LazyAdam(Sgd):
    """Adam for tables whose gradient holds the rows that a batch touched.

    Weights and moments of other rows stay unchanged, so that an embedding table costs what the
    words of a batch cost. Bias is corrected for the number of all updates. Epsilon is added to the
    root of the second moment before that correction (Kingma and Ba 2015, end of §2).
    """

    def step(self, rate: float) -> None:
        """Step the rows of all tables that their sparse gradients hold."""
        for table in self.parameters:
            if table.grad is not None:
                state = self.state.setdefault(table, {"step": 0})
                state["step"] += 1
                for name in ("exp_avg", "exp_avg_sq"):
                    if name not in state:
                        state[name] = torch.zeros_like(table)
                gradient = table.grad.coalesce()
                step_rows(table, gradient.indices()[0], gradient.values(), state, rate)


def step_rows(
    table: Tensor, rows: Tensor, gradient: Tensor, state: dict[str, Any], rate: float
) -> None:
    """Step ``rows`` [n] of a table along their ``gradient`` [n, size], as Adam does."""
    first, second, steps = state["exp_avg"], state["exp_avg_sq"], state["step"]
    before = first[rows]
    mean = gradient.sub(before).mul_(1 - BETA1).add_(before)
    first.index_copy_(0, rows, mean)
    before = second[rows]
    square = gradient.pow(2).sub_(before).mul_(1 - BETA2).add_(before)
    second.index_copy_(0, rows, square)
    size = rate * math.sqrt(1 - BETA2**steps) / (1 - BETA1**steps)
    table.index_add_(0, rows, mean.div_(square.sqrt_().add_(EPSILON)).mul_(-size))


@dataclass(frozen=True)
class OptimiserSpec:
    """The facts of a kind of optimiser.

    Attributes:
        dense: makes the one that steps parameters whose gradient is dense.
        sparse: makes the one of the embeddings, whose gradient holds the rows that a batch touched;
            None: ``dense`` steps these, too.
        moments: numbers that are kept for each weight, by name, and the lowest value that each can
            have.
        is_linear: a step is a multiple of the gradient, so that the rate can take its factor.
    """

    dense: Callable[[Sequence[Tensor]], Sgd]
    sparse: Callable[[Sequence[Tensor]], Sgd] | None
    moments: dict[str, float]
    is_linear: bool


SGD = OptimiserSpec(dense=Sgd, sparse=None, moments={}, is_linear=True)
ADAM = OptimiserSpec(
    dense=Adam,
    sparse=LazyAdam,
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
    each: list[Sgd]

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
            for parameter in optimiser.parameters
            if parameter not in optimiser.state
            for _ in self.spec.moments
        ]

    def check_state(self, optimiser: Sgd, state: dict[str, Any], like: Tensor) -> None:
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
    """Refuse what is no number of steps: `LazyAdam` has an int, as torch's has, `Adam` a tensor.

    Raises:
        ValueError: it is none.
    """
    if sparse:
        has_type = type(steps) is int
    else:
        has_type = type(steps) is Tensor and (steps.dtype, steps.shape) == (torch.float32, ())
    if not has_type or not 1 <= steps <= LARGEST_COUNT or steps != int(steps):
        raise ValueError("no number of steps")
