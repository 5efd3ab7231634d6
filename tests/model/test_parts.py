"""Batches in parts: as few as fit, tried in vain once, for every kind of error of memory."""

import random
from collections.abc import Callable

import pytest
import torch

from s2s_cli.errors import as_user_error
from s2s_cli.model.parts import BatchParts

FULL = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be asynchronous"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"),
    RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allo"),
    MemoryError(),
]
OTHERS = [
    torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
]


def room(size: int, error: Exception, sizes: list[int], seen: list[int]) -> Callable[[int], str]:
    """What computes a batch of ``sizes``, if no part of it is larger than ``size``."""

    def attempt(parts: int) -> str:
        largest = max(sum(sizes[part::parts]) for part in range(parts))
        seen.append(largest)
        if largest > size:
            raise error
        return f"{parts} parts"

    return attempt


@pytest.mark.parametrize("error", FULL, ids=str)
def test_what_does_not_fit_is_computed_in_parts(error: Exception) -> None:
    sizes, seen = [1] * 32, list[int]()
    assert BatchParts().compute(sizes, room(10, error, sizes, seen)) == "4 parts"
    assert seen == [32, 16, 8]


@pytest.mark.parametrize("error", OTHERS, ids=str)
def test_other_errors_are_raised_at_once(error: Exception) -> None:
    sizes, seen = [1] * 32, list[int]()
    with pytest.raises(type(error)):
        BatchParts().compute(sizes, room(10, error, sizes, seen))
    assert seen == [32]


def test_nothing_that_is_smaller_than_what_fitted_is_tried_in_vain() -> None:
    draw, parts, limit = random.Random(1), BatchParts(), 700
    seen = list[int]()
    largest = [20] * 128
    parts.compute(largest, room(limit, FULL[0], largest, seen))
    assert seen == [2560, 1280, 640]
    for _ in range(100):
        sizes = sorted(draw.choices(range(1, 21), k=draw.randint(1, 128)))
        seen.clear()
        parts.compute(sizes, room(limit, FULL[0], sizes, seen))
        assert len(seen) == 1 and seen[0] <= 640
        fewest = -(-sum(sizes) // 640)
        assert parts.fewest(sizes) in (fewest, fewest + 1)


def test_less_memory_later_is_found_and_remembered(capsys: pytest.CaptureFixture[str]) -> None:
    parts, sizes, seen = BatchParts("batches"), [1] * 100, list[int]()
    for limit in (1000, 60, 20, 20, 1000):
        parts.compute(sizes, room(limit, FULL[0], sizes, seen))
    assert seen == [100, 100, 50, 50, 25, 13, 13, 13]
    assert capsys.readouterr().err.count("in parts") == 1


@pytest.mark.parametrize("error", [FULL[0], FULL[-3]], ids=str)
def test_a_single_item_that_does_not_fit_is_an_error(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is the one of torch: a cuDNN that cannot work at all is not taken for a lack of memory."""
    seen = list[int]()
    with pytest.raises(type(error)) as raised:
        BatchParts().compute([5, 5], room(4, error, [5, 5], seen))
    assert raised.value is error
    assert seen == [10, 5]
    assert not capsys.readouterr().err
    assert (as_user_error(error) is None) == ("cuDNN" in str(error))
