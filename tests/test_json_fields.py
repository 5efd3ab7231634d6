"""What comes out of a JSON object is what the fields of its dataclass can hold."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pytest

from s2s_cli.json_fields import FieldError, fits, from_json, required_fields


@dataclass(frozen=True)
class Example:
    name: str
    size: int
    kind: Literal["plain", "odd"] = "plain"
    open: bool = False
    loss: float = math.inf


PLAIN = {"name": "a", "size": 3}


@pytest.mark.parametrize(
    "example",
    [Example("a", 3), Example("", 1, "odd", True, 2.5), Example("a", 10**30, loss=-math.inf)],
)
def test_an_instance_comes_back(example: Example) -> None:
    assert from_json(Example, asdict(example), "an example") == example


def test_entries_with_a_default_may_be_missing() -> None:
    assert from_json(Example, PLAIN, "an example") == Example("a", 3)
    assert required_fields(Example) == list(PLAIN)


@pytest.mark.parametrize("value", [None, [], "a", {}, {"name": "a"}, {**PLAIN, "other": 1}])
def test_missing_and_unknown_entries_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="its entries are not those of an example"):
        from_json(Example, value, "an example")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": None}, "name is not a string"),
        ({"size": True}, "size is not a positive number"),
        ({"size": 3.0}, "size is not a positive number"),
        ({"size": 0}, "size is not a positive number"),
        ({"kind": "round"}, "kind is not one of plain, odd"),
        ({"kind": ["odd"]}, "kind is not one of plain, odd"),
        ({"open": 1}, "open is neither true nor false"),
        ({"loss": 1}, "loss is not a number"),
        ({"loss": math.nan}, "loss is not a number"),
    ],
)
def test_an_entry_that_its_field_cannot_hold_is_named(change: dict[str, Any], told: str) -> None:
    with pytest.raises(FieldError, match=told) as caught:
        from_json(Example, {**PLAIN, **change}, "an example")
    assert [caught.value.name] == list(change)


def test_whole_numbers_keep_within_bounds() -> None:
    for size in (0, 5):
        assert from_json(Example, {**PLAIN, "size": size}, "", low=0, high=5).size == size
    for size in (-1, 6):
        with pytest.raises(FieldError):
            from_json(Example, {**PLAIN, "size": size}, "", low=0, high=5)
    assert fits(-3, int)
    assert not fits(-3, int, low=0)
    assert fits(False, bool)
