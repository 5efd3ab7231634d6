"""Weights and optimiser states as one device would have them, whatever the layout.

A checkpoint holds these, so that a training goes on with another number of devices.
"""

import math
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from s2s_cli.model.pipeline import Model, SpreadSeq2Seq

SECOND = "exp_avg_sq"  # moment of Adam, as torch calls it
MOMENTS = ("exp_avg", SECOND)
MOST_STEPS = 2**53
Optimisers = list[torch.optim.Optimizer]


def pieces(model: Model) -> dict[str, list[Parameter]]:
    """The parameters of a `Seq2Seq` by name, in its order, each as the pieces it is in."""
    if isinstance(model, SpreadSeq2Seq):
        return model.pieces()
    return {name: [parameter] for name, parameter in model.named_parameters()}


def weights(model: Model) -> dict[str, Tensor]:
    """The weights by name; those in several pieces are put together in the CPU's memory."""
    return {
        name: joined([each.detach() for each in parts]) for name, parts in pieces(model).items()
    }


@torch.no_grad()
def load_weights(model: Model, saved: dict[str, Tensor]) -> None:
    """Put back what `weights` gave.

    Raises:
        ValueError: other names or shapes.
    """
    own = pieces(model)
    if set(own) != set(saved):
        raise ValueError("other tensors")
    for name, parts in own.items():
        for part, values in zip(
            parts, saved[name].split([len(each) for each in parts]), strict=True
        ):
            if part.shape != values.shape:
                raise ValueError(f"{name} has another shape")
            part.copy_(values)


def states(optimisers: Optimisers, model: Model) -> list[dict[str, Any]]:
    """What the optimisers remember, numbered by the parameters of a `Seq2Seq`.

    Not their settings (rates, betas): those follow from the training's own.
    """
    result = []
    for optimiser in optimisers:
        saved, numbers = optimiser.state_dict()["state"], numbers_of_pieces(optimiser, model)
        states = {
            index: joined_states([saved[number] for number in parts])
            for index, parts in enumerate(numbers)
            if all(number in saved for number in parts)
        }
        result.append({"state": states})
    return result


def load_states(optimisers: Optimisers, model: Model, saved: list[dict[str, Any]]) -> None:
    """Put back what `states` gave, and nothing else that ``saved`` may hold.

    Raises:
        ValueError: the states are not such as these optimisers have; they are left as they were.
    """
    loaded = [
        own_states(optimiser, model, content["state"])
        for optimiser, content in zip(optimisers, saved, strict=True)
    ]
    for optimiser, states in zip(optimisers, loaded, strict=True):
        groups = optimiser.state_dict()["param_groups"]
        optimiser.load_state_dict({"state": states, "param_groups": groups})


def own_states(
    optimiser: torch.optim.Optimizer, model: Model, saved: dict[int, dict[str, Any]]
) -> dict[int, dict[str, Any]]:
    """The states of ``optimiser``'s own parameters, from those by parameter of a `Seq2Seq`."""
    own = optimiser.param_groups[0]["params"]
    numbers_of = numbers_of_pieces(optimiser, model)
    if not set(saved) <= set(range(len(numbers_of))):
        raise ValueError("states of other parameters")
    states: dict[int, dict[str, Any]] = {}
    for index, state in saved.items():
        parts = [own[number] for number in numbers_of[index]]
        shape = (sum(map(len, parts)), *parts[0].shape[1:])
        check_state(optimiser, state, parts[0].new_empty(shape, device="meta"))
        split = split_state(state, [len(part) for part in parts])
        for number, part, values in zip(numbers_of[index], parts, split, strict=True):
            states[number] = {
                # A copy: what was loaded may still lie in the file.
                key: torch.empty_like(part).copy_(value.detach()) if is_table(value) else value
                for key, value in values.items()
            }
    return states


def check_state(optimiser: torch.optim.Optimizer, state: dict[str, Any], whole: Tensor) -> None:
    """Whether ``state`` is one that ``optimiser`` may have of the ``whole`` parameter.

    Raises:
        ValueError: it is not.
    """
    if isinstance(optimiser, torch.optim.SGD):  # without momentum
        raise ValueError("SGD remembers nothing")
    if set(state) != {"step", *MOMENTS}:
        raise ValueError("other entries")
    for key in MOMENTS:
        check_moment(state[key], whole, lowest=0.0 if key == SECOND else -math.inf)
    step = state["step"]
    if isinstance(optimiser, torch.optim.SparseAdam):
        sound = type(step) is int
    else:
        sound = type(step) is Tensor and (step.dtype, step.shape) == (torch.float32, ())
    if not sound or not 1 <= step <= MOST_STEPS or step != int(step):
        raise ValueError("no number of steps")


def check_moment(values: Any, whole: Tensor, lowest: float) -> None:
    """Whether ``values`` are of type and shape of ``whole``, finite, and none below ``lowest``.

    Raises:
        ValueError: they are not.
    """
    if type(values) is not Tensor or values.layout != torch.strided:
        raise ValueError("no moments")
    if values.dtype != whole.dtype or values.shape != whole.shape:
        raise ValueError("moments of another type or shape")
    low, high = (float(each) for each in values.detach().aminmax())  # NaN where there is one
    if not (lowest <= low and math.isfinite(low) and math.isfinite(high)):
        raise ValueError("moments that are none")


def numbers_of_pieces(optimiser: torch.optim.Optimizer, model: Model) -> list[list[int]]:
    """For each parameter of a `Seq2Seq` that ``optimiser`` steps, its pieces' numbers there."""
    (group,) = optimiser.param_groups
    numbers = {id(parameter): number for number, parameter in enumerate(group["params"])}
    return [
        [numbers[id(part)] for part in parts]
        for parts in pieces(model).values()
        if id(parts[0]) in numbers
    ]


def joined_states(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """One state from those of the pieces: moments one after another, the number of steps once."""
    first = parts[0]
    return {
        key: joined([each[key] for each in parts]) if is_table(value) else value
        for key, value in first.items()
    }


def split_state(state: dict[str, Any], sizes: list[int]) -> list[dict[str, Any]]:
    """Undo `joined_states`; each piece counts its steps itself."""
    split = {key: value.split(sizes) for key, value in state.items() if is_table(value)}
    return [
        {key: split[key][part] if key in split else deepcopy(value) for key, value in state.items()}
        for part in range(len(sizes))
    ]


def is_table(value: Any) -> bool:
    """Whether it has a number for each of a parameter's, rather than one for all."""
    return isinstance(value, Tensor) and value.dim() > 0


def joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat([each.cpu() for each in parts])
