"""Dataclasses from JSON objects: each entry is checked against the type of its field."""

import dataclasses
import math
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

Instance = TypeVar("Instance")

# What messages say of an entry that is not of its type.
REFUSALS: dict[type, str] = {
    bool: "neither true nor false",
    int: "not a positive number",
    float: "not a number",
    str: "not a string",
}


class FieldError(ValueError):
    """An entry that its field cannot hold.

    Attributes:
        name: of the field.
    """

    def __init__(self, name: str, kind: Any) -> None:
        choices = ", ".join(get_args(kind)) if get_origin(kind) is Literal else ""
        super().__init__(f"{name} is {f'not one of {choices}' if choices else REFUSALS[kind]}")
        self.name = name


def from_json(
    cls: type[Instance], value: object, title: str, *, low: float = 1, high: float = math.inf
) -> Instance:
    """Make an instance of the dataclass ``cls``.

    Args:
        cls: its fields are bool, int, float, str or `Literal`; entries of fields that have a
            default may be missing.
        value: a parsed JSON object.
        title: what messages call the object.
        low: the least whole number that a field may hold.
        high: the largest.

    Raises:
        FieldError: an entry that its field cannot hold.
        ValueError: no object, or an entry is missing or unknown.
    """
    types = get_type_hints(cls)
    if not isinstance(value, dict) or not set(required_fields(cls)) <= set(value) <= set(types):
        raise ValueError(f"its entries are not those of {title}")
    for name, entry in value.items():
        if not fits(entry, types[name], low=low, high=high):
            raise FieldError(name, types[name])
    return cls(**value)


def required_fields(cls: type) -> list[str]:
    """Names of the fields that have no default, in their order."""
    return [
        each.name
        for each in dataclasses.fields(cls)
        if each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
    ]


def fits(entry: object, kind: Any, *, low: float = -math.inf, high: float = math.inf) -> bool:
    """Return whether ``entry`` is of the type ``kind``: true is no number, and neither is NaN.

    Args:
        entry: a parsed JSON value.
        kind: a plain type, or a `Literal`.
        low: the least whole number that fits.
        high: the largest.
    """
    if get_origin(kind) is Literal:
        return entry in get_args(kind)
    if type(entry) is not kind:
        return False
    match entry:
        case bool():
            return True
        case int():
            return low <= entry <= high
        case float():
            return not math.isnan(entry)
        case _:
            return True
