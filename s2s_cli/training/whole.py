"""Weights and optimiser states as one device would have them, whatever the layout.

A checkpoint holds these, so that a training goes on with another number of devices.
"""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from s2s_cli.model.pipeline import Model, SpreadSeq2Seq

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
    """The optimisers' ``state_dict``, numbered by the parameters of a `Seq2Seq`."""
    result = []
    for optimiser in optimisers:
        saved, numbers = optimiser.state_dict(), numbers_of_pieces(optimiser, model)
        states = {
            index: joined_states([saved["state"][number] for number in parts])
            for index, parts in enumerate(numbers)
            if all(number in saved["state"] for number in parts)
        }
        groups = [{**group, "params": list(range(len(numbers)))} for group in saved["param_groups"]]
        result.append({"state": states, "param_groups": groups})
    return result


def load_states(optimisers: Optimisers, model: Model, saved: list[dict[str, Any]]) -> None:
    """Put back what `states` gave.

    Raises:
        ValueError: the states are those of other optimisers.
    """
    for optimiser, content in zip(optimisers, saved, strict=True):
        own = optimiser.param_groups[0]["params"]
        states: dict[int, dict[str, Any]] = {}
        for index, numbers in enumerate(numbers_of_pieces(optimiser, model)):
            if index in content["state"]:
                sizes = [len(own[number]) for number in numbers]
                states |= zip(numbers, split_state(content["state"][index], sizes), strict=True)
        for number, state in states.items():
            if any(
                is_table(value) and value.shape != own[number].shape for value in state.values()
            ):
                raise ValueError("moments of another shape")
        groups = [{**group, "params": list(range(len(own)))} for group in content["param_groups"]]
        optimiser.load_state_dict({"state": states, "param_groups": groups})


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
