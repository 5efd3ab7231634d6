"""What a precision means on a GPU, without one: torch's switches can be set anywhere."""

from collections.abc import Iterator

import pytest
import torch

from s2s_cli.errors import UsageError
from s2s_cli.model.config import Precision, TrainingPrecision
from s2s_cli.model.precision import check_device, choose_tensor_cores, products_in

GPU, CPU = torch.device("cuda"), torch.device("cpu")


@pytest.fixture(autouse=True)
def switches() -> Iterator[None]:
    """Torch's own choice before and after a test."""
    yield
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = True


def tensor_cores() -> tuple[bool, bool]:
    """Whether products of fp32 and recurrent layers are TF32."""
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize(
    ("precision", "expected"),
    [("fp32", (False, False)), ("tf32", (True, True)), ("bf16", (False, True))],
)
def test_which_products_of_fp32_are_tf32(
    precision: TrainingPrecision, expected: tuple[bool, bool]
) -> None:
    for before in (False, True):
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = before
        choose_tensor_cores(GPU, precision)
        assert tensor_cores() == expected
        assert not torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction


def test_a_cpu_leaves_the_switches_alone() -> None:
    torch.backends.cuda.matmul.allow_tf32 = True
    with products_in(CPU, "fp32"):
        assert tensor_cores() == (True, True)


def test_the_newer_switches_agree_with_the_older() -> None:
    choose_tensor_cores(GPU, "tf32")
    assert torch.backends.cuda.matmul.fp32_precision == "tf32"
    assert torch.backends.cudnn.rnn.fp32_precision == "tf32"  # type: ignore[attr-defined]
    choose_tensor_cores(GPU, "fp32")
    assert torch.backends.cuda.matmul.fp32_precision == "ieee"
    assert torch.backends.cudnn.rnn.fp32_precision != "tf32"  # type: ignore[attr-defined]


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_products_are_bf16_in_bf16_alone(precision: TrainingPrecision) -> None:
    with products_in(CPU, precision):
        assert torch.is_autocast_enabled("cpu") == (precision == "bf16")


@pytest.mark.parametrize(
    ("device", "precision", "complaint"),
    [
        (GPU, "int8", r"^--precision int8 is for CPUs: put --device cpu"),
        (CPU, "tf32", r"^--precision tf32 is for GPUs: take --precision fp32"),
    ],
)
def test_products_that_a_device_lacks_are_refused(
    device: torch.device, precision: Precision, complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        check_device(device, precision)
    check_device(CPU if device == GPU else GPU, precision)
    for other in ("fp32", "bf16"):
        check_device(device, other)
