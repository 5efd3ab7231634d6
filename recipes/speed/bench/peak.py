"""How fast this machine multiplies matrices, and by which library, in a process of its own.

usage: python3 -m bench.peak THREADS DEVICE
"""

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import torch
from torch import Tensor

from s2s_cli.model.libraries import LARGEST_SIDE, faster_library
from s2s_cli.model.products import packs
from s2s_cli.model.work import TRIED, fastest, gemm_peak

# A product of 8-bit integers out of its factors.
ProductMaker = Callable[[Tensor, Tensor], Callable[[], Tensor]]
# With these sides libraries are compared: some of them have no fast product on some processors.
TRIED_FIRST = (64, 512, 512)


def main() -> None:
    torch.set_num_threads(int(sys.argv[1]))
    device = torch.device(sys.argv[2])
    kinds = {"fp32": torch.float32}
    if device.type != "cpu" or packs(torch.bfloat16, "cpu"):
        kinds["bf16"] = torch.bfloat16
    found: dict[str, float | str] = {}
    for name, dtype in kinds.items():
        found[f"peak_{name}"] = gemm_peak(device, dtype) / 1e9
        if device.type == "cpu":
            sides = (LARGEST_SIDE,) * 3
            found[f"library_{name}"] = faster_library(dtype, *sides, transposed=True)
    if device.type == "cpu" and (best := int8_peak()):
        found["peak_int8"] = best / 1e9
    print(json.dumps(found))


@torch.inference_mode()
def int8_peak() -> float:
    """The most operations a second of a product of 8-bit integers, quantising its inputs included.

    The best of the libraries that torch has; 0.0 where none works here.
    """
    rates: dict[ProductMaker, float] = {}
    for make in (fbgemm_product, plain_product):
        with suppress(RuntimeError, AttributeError, NotImplementedError):
            rates[make] = int8_rate(make, *TRIED_FIRST)
    if not rates:
        return 0.0
    best = max(rates, key=lambda make: rates[make])
    return max(int8_rate(best, *sides) for sides in TRIED)


def int8_rate(make: ProductMaker, rows: int, outputs: int, inputs: int) -> float:
    """Operations a second of one product."""
    block, weight = torch.randn(rows, inputs), torch.randn(outputs, inputs)
    return 2 * rows * outputs * inputs / fastest(make(block, weight), block.device)


def fbgemm_product(block: Tensor, weight: Tensor) -> Callable[[], Tensor]:
    """The product of quantised linear layers."""
    packed = torch.ops.quantized.linear_prepack(
        torch.quantize_per_tensor(weight, 0.03, 0, torch.qint8), None
    )
    return partial(torch.ops.quantized.linear_dynamic, block, packed, reduce_range=True)


def plain_product(block: Tensor, weight: Tensor) -> Callable[[], Tensor]:
    """The bare product of matrices of integers."""
    one, other = (each.clamp(-1, 1).mul(63).to(torch.int8) for each in (block, weight))
    return partial(torch._int_mm, one, other.T)


if __name__ == "__main__":
    main()
