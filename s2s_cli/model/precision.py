"""The types of numbers: in which products are computed, and all else."""

from typing import assert_never

import torch
from torch import Tensor

from s2s_cli.errors import UsageError
from s2s_cli.model.config import Precision, TrainingPrecision


def product_dtype(precision: Precision, full: torch.dtype = torch.float32) -> torch.dtype:
    """The type of products; ``full`` is that of the weights.

    int8: of what is multiplied (`model.int8`); what one reads and gets is of the full type.
    """
    match precision:
        case "fp32" | "tf32":
            return full
        case "bf16":
            return torch.bfloat16
        case "int8":
            return torch.int8
        case _:
            assert_never(precision)


def check_device(device: torch.device, precision: Precision) -> None:
    """Refuse products that a device of this type does not have.

    Raises:
        UserError: it does not (exit code 2).
    """
    if precision == "int8" and device.type != "cpu":
        raise UsageError(
            "--precision int8 is for CPUs: put --device cpu beside it, or take --precision bf16"
        )
    if precision == "tf32" and device.type == "cpu":
        raise UsageError(
            "--precision tf32 is for GPUs: take --precision fp32, which CPUs compute products in"
        )


def products_in(device: torch.device, precision: TrainingPrecision) -> torch.autocast:
    """Compute products in ``precision`` on a device of this type, while it lasts.

    What a GPU does with products of type fp32 stays as it is until the next call, for gradients.
    """
    choose_tensor_cores(device, precision)
    dtype = product_dtype(precision)
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


def choose_tensor_cores(device: torch.device, precision: Precision) -> None:
    """Set which products of type fp32 a GPU computes by tensor cores, in TF32, from now on.

    Torch would do so in cuDNN alone, that is in recurrent layers. In bf16 that is wanted: cuDNN's
    layers cannot be bf16 under autocast, and TF32 rounds less. Products of type bf16 add up in
    fp32. The switches are of the whole process.
    """
    if device.type == "cpu":
        return
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    # The older of torch's two interfaces: of all its versions that are supported, and it sets both.
    matmul.allow_tf32 = precision == "tf32"
    cudnn.allow_tf32 = precision in ("tf32", "bf16")
    matmul.allow_bf16_reduced_precision_reduction = False


def autocast_dtype(rows: Tensor) -> torch.dtype:
    """The type in which products with ``rows`` are computed: bf16 under autocast."""
    device_type = rows.device.type
    enabled = torch.is_autocast_enabled(device_type)
    return torch.get_autocast_dtype(device_type) if enabled else rows.dtype


def accumulation_dtype(dtype: torch.dtype) -> torch.dtype:
    """The type of states, sums and losses where products are of type ``dtype``: at least fp32."""
    return torch.promote_types(dtype, torch.float32)


def full_precision(rows: Tensor) -> torch.autocast:
    """Switch autocast off on the device of ``rows``, while it lasts."""
    return torch.autocast("cpu" if rows.device.type == "cpu" else "cuda", enabled=False)
