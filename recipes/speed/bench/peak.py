"""How fast this machine multiplies matrices, in a process of its own.

usage: python3 -m bench.peak THREADS DEVICE
"""

import json
import sys

import torch

from s2s_cli.model.work import gemm_peak


def main() -> None:
    torch.set_num_threads(int(sys.argv[1]))
    device = torch.device(sys.argv[2])
    kinds = {"fp32": torch.float32, "bf16": torch.bfloat16}
    peaks = {f"peak_{name}": gemm_peak(device, dtype) / 1e9 for name, dtype in kinds.items()}
    print(json.dumps(peaks))


if __name__ == "__main__":
    main()
