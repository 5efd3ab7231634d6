"""State dicts of models and optimisers as one device would have them, whatever the layout.

A checkpoint holds these, so that a training goes on with another number of devices.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from s2s_cli.model.pipeline import Model, SpreadSeq2Seq

# Raises a ValueError where an optimiser cannot have such a state of a parameter like the tensor.
StateCheck = Callable[[torch.optim.Optimizer, dict[str, Any], Tensor], None]


def shards(model: Model) -> dict[str, list[Parameter]]:
    """The parameters of a `Seq2Seq` by name, in its order, each as its shards."""
    if isinstance(model, SpreadSeq2Seq):
        return model.shards()
    return {name: [parameter] for name, parameter in model.named_parameters()}


def model_state_dict(model: Model) -> dict[str, Tensor]:
    """The weights by name; those in several shards are put together in the CPU's memory."""
    return {
        name: concatenated([each.detach() for each in parts])
        for name, parts in shards(model).items()
    }


@torch.no_grad()
def load_model_state_dict(model: Model, saved: dict[str, Tensor]) -> None:
    """Put back what `model_state_dict` returned.

    Raises:
        ValueError: other names or shapes.
    """
    own = shards(model)
    if set(own) != set(saved):
        raise ValueError("other tensors")
    for name, parts in own.items():
        for part, values in zip(
            parts, saved[name].split([len(each) for each in parts]), strict=True
        ):
            if part.shape != values.shape:
                raise ValueError(f"{name} has another shape")
            part.copy_(values)


def optimiser_state_dicts(
    optimisers: list[torch.optim.Optimizer], model: Model
) -> list[dict[str, Any]]:
    """The optimisers' states, numbered by the parameters of a `Seq2Seq`.

    Not their settings (rates, betas): those follow from the training's own.
    """
    result = []
    for optimiser in optimisers:
        saved, numbers = optimiser.state_dict()["state"], shard_numbers(optimiser, model)
        states = {
            index: merge_states([saved[number] for number in parts])
            for index, parts in enumerate(numbers)
            if all(number in saved for number in parts)
        }
        result.append({"state": states})
    return result


def load_optimiser_state_dicts(
    optimisers: list[torch.optim.Optimizer],
    model: Model,
    saved: list[dict[str, Any]],
    check: StateCheck,
) -> None:
    """Put back what `optimiser_state_dicts` returned, and nothing else that ``saved`` may hold.

    Raises:
        ValueError: ``check`` refuses a state; all are left as they were.
    """
    loaded = [
        own_states(optimiser, model, content["state"], check)
        for optimiser, content in zip(optimisers, saved, strict=True)
    ]
    for optimiser, states in zip(optimisers, loaded, strict=True):
        groups = optimiser.state_dict()["param_groups"]
        optimiser.load_state_dict({"state": states, "param_groups": groups})


def own_states(
    optimiser: torch.optim.Optimizer,
    model: Model,
    saved: dict[int, dict[str, Any]],
    check: StateCheck,
) -> dict[int, dict[str, Any]]:
    """The states of ``optimiser``'s own parameters, from those by parameter of a `Seq2Seq`."""
    own = optimiser.param_groups[0]["params"]
    numbers_of = shard_numbers(optimiser, model)
    if not set(saved) <= set(range(len(numbers_of))):
        raise ValueError("states of other parameters")
    states: dict[int, dict[str, Any]] = {}
    for index, state in saved.items():
        parts = [own[number] for number in numbers_of[index]]
        shape = (sum(map(len, parts)), *parts[0].shape[1:])
        check(optimiser, state, parts[0].new_empty(shape, device="meta"))
        split = split_state(state, [len(part) for part in parts])
        for number, part, values in zip(numbers_of[index], parts, split, strict=True):
            states[number] = {
                # A copy: what was loaded may still be mapped from the file.
                key: torch.empty_like(part).copy_(value.detach())
                if is_elementwise(value)
                else value
                for key, value in values.items()
            }
    return states


def shard_numbers(optimiser: torch.optim.Optimizer, model: Model) -> list[list[int]]:
    """For each parameter of a `Seq2Seq` that ``optimiser`` steps, its shards' numbers there."""
    (group,) = optimiser.param_groups
    numbers = {id(parameter): number for number, parameter in enumerate(group["params"])}
    return [
        [numbers[id(part)] for part in parts]
        for parts in shards(model).values()
        if id(parts[0]) in numbers
    ]


def merge_states(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Make one state of those of the shards: moments concatenated, the number of steps once."""
    first = parts[0]
    return {
        key: concatenated([each[key] for each in parts]) if is_elementwise(value) else value
        for key, value in first.items()
    }


def split_state(state: dict[str, Any], sizes: list[int]) -> list[dict[str, Any]]:
    """Undo `merge_states`; each shard counts its steps itself."""
    split = {key: value.split(sizes) for key, value in state.items() if is_elementwise(value)}
    return [
        {key: split[key][part] if key in split else deepcopy(value) for key, value in state.items()}
        for part in range(len(sizes))
    ]


def is_elementwise(value: Any) -> bool:
    """True for a number for each of a parameter's, rather than one for all."""
    return isinstance(value, Tensor) and value.dim() > 0


def concatenated(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat([each.cpu() for each in parts])
