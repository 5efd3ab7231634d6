"""State dicts of models and optimisers as one device would have them, whatever the layout.

A checkpoint holds these, so that a training goes on with another number of devices.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import Parameter

from s2s_cli.model.pipeline import Model, SpreadSeq2Seq


class Optimiser(Protocol):
    """An optimiser, as far as it is saved: its parameters, and what it keeps for each, by name."""

    parameters: list[Tensor]
    state: dict[Tensor, dict[str, Any]]


# Raises a ValueError where an optimiser cannot have such a state of a parameter like the tensor.
StateCheck = Callable[[Any, dict[str, Any], Tensor], None]


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


def optimiser_state_dicts(optimisers: Sequence[Optimiser], model: Model) -> list[dict[str, Any]]:
    """The optimisers' states, numbered by the parameters of a `Seq2Seq`.

    Not their settings (rates, betas): those follow from the training's own.
    """
    result = []
    for optimiser in optimisers:
        states = {
            index: merge_states([optimiser.state[part] for part in parts])
            for index, parts in enumerate(own_shards(optimiser, model))
            if all(part in optimiser.state for part in parts)
        }
        result.append({"state": states})
    return result


def load_optimiser_state_dicts(
    optimisers: Sequence[Optimiser],
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
        optimiser.state = states


def own_states(
    optimiser: Optimiser,
    model: Model,
    saved: dict[int, dict[str, Any]],
    check: StateCheck,
) -> dict[Tensor, dict[str, Any]]:
    """The states of ``optimiser``'s own parameters, from those by parameter of a `Seq2Seq`."""
    own = own_shards(optimiser, model)
    if not set(saved) <= set(range(len(own))):
        raise ValueError("states of other parameters")
    states: dict[Tensor, dict[str, Any]] = {}
    for index, state in saved.items():
        parts = own[index]
        shape = (sum(map(len, parts)), *parts[0].shape[1:])
        check(optimiser, state, parts[0].new_empty(shape, device="meta"))
        split = split_state(state, [len(part) for part in parts])
        for part, values in zip(parts, split, strict=True):
            states[part] = {key: own_copy(value, part) for key, value in values.items()}
    return states


def own_copy(value: Any, part: Tensor) -> Any:
    """A loaded ``value`` on the device of ``part``; what was loaded may be mapped from the file."""
    if is_elementwise(value):
        return torch.empty_like(part).copy_(value.detach())
    return value.to(part.device) if isinstance(value, Tensor) else value


def own_shards(optimiser: Optimiser, model: Model) -> list[list[Parameter]]:
    """Each parameter of a `Seq2Seq` that ``optimiser`` steps, as its shards."""
    own = set(map(id, optimiser.parameters))
    return [parts for parts in shards(model).values() if id(parts[0]) in own]


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
