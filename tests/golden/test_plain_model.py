"""The paper's model gives the numbers that it has always given, to the last bit."""

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import plain_model
import pytest
import torch

STORED = json.loads(plain_model.FILE.read_text("utf-8"))
CASES = plain_model.cases()
# Where kernels differ, so do roundings: of norms, losses and log probabilities, relatively.
NEAR = {"fp32": 1e-4, "bf16": 2e-2}
# Hypotheses further apart than this are ranked alike by all kernels.
MARGIN = {"fp32": 1e-2, "bf16": float("inf")}


@pytest.fixture(scope="module")
def same_kernels() -> Iterator[bool]:
    """Whether this machine computes as the one that made the file; with one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield plain_model.fingerprint() == STORED["fingerprint"]
    torch.set_num_threads(threads)


def test_every_stored_case_is_compared() -> None:
    assert list(STORED["cases"]) == list(CASES)


@pytest.mark.parametrize("name", CASES)
def test_bits_are_the_stored_ones(name: str, same_kernels: bool) -> None:
    found, stored = CASES[name](), STORED["cases"][name]
    if same_kernels:
        assert found == stored
    precision = "bf16" if "bf16" in name else "fp32"
    check_near(found, stored, precision)


@pytest.mark.parametrize("name", plain_model.SHAPES)
def test_weights_have_the_names_and_the_order_that_files_have(name: str) -> None:
    assert list(plain_model.model(name).state_dict()) == STORED["names"][name]


def check_near(found: Any, stored: Any, precision: str) -> None:
    """What other kernels must agree in: values about, and translations that are clear winners."""
    if "tokens" in stored:
        tops = zip(found["tokens"], stored["tokens"], stored["log_probs"][::2], strict=True)
        clear = [float.fromhex(a) - float.fromhex(b) for a, b in halves(stored["log_probs"])]
        for (mine, theirs, _), margin in zip(tops, clear, strict=True):
            assert margin < MARGIN[precision] or mine[0] == theirs[0]
    mine, theirs = list(numbers(found)), list(numbers(stored))
    assert mine == pytest.approx(theirs, rel=NEAR[precision], abs=1e-6)


def halves(values: list[str]) -> list[tuple[str, str]]:
    """The best hypothesis and the second of each sentence."""
    return list(pairwise(values))[::2]


def numbers(value: Any) -> Iterator[float]:
    """All floating-point numbers of a record, in order; no digests."""
    if isinstance(value, dict):
        for key, each in value.items():
            if key not in ("digest", "tokens"):
                yield from numbers(each)
    elif isinstance(value, list):
        for each in value:
            yield from numbers(each)
    else:
        yield float.fromhex(value)


@pytest.mark.parametrize("name", ["search 2-layers fp32 forward", "training 2-layers bf16"])
def test_a_real_change_is_seen_without_the_same_kernels(name: str) -> None:
    stored = STORED["cases"][name]
    precision = "bf16" if "bf16" in name else "fp32"
    check_near(stored, stored, precision)
    other = name.replace("2-layers", "4-layers")
    with pytest.raises(AssertionError):
        check_near(STORED["cases"][other], stored, precision)
