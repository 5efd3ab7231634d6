"""The types of numbers: in which products are computed, and all else."""

import torch
from torch import Tensor


def autocast_dtype(rows: Tensor) -> torch.dtype:
    """The type in which products with ``rows`` are computed: bf16 under autocast."""
    device_type = rows.device.type
    enabled = torch.is_autocast_enabled(device_type)
    return torch.get_autocast_dtype(device_type) if enabled else rows.dtype


def accumulation_dtype(dtype: torch.dtype) -> torch.dtype:
    """The type of states, sums and losses where products are of type ``dtype``: at least fp32."""
    return torch.promote_types(dtype, torch.float32)


def full_precision(rows: Tensor) -> torch.autocast:
    """No autocast on the device of ``rows``, while it lasts."""
    return torch.autocast(rows.device.type, enabled=False)
