"""How fast this machine multiplies matrices, and by which library, in a process of its own.

usage: python3 -m bench.peak THREADS DEVICE
"""

import json
import sys

import torch

from s2s_cli.model.libraries import LARGEST_SIDE, faster_library
from s2s_cli.model.products import packs
from s2s_cli.model.work import gemm_peak


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
    print(json.dumps(found))


if __name__ == "__main__":
    main()
