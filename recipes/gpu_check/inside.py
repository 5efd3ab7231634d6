"""Run ``s2s`` with a limit of GPU memory, and tell how much it took.

usage: python3 inside.py FRACTION TOLD ARGUMENT...

FRACTION of each GPU's memory is the most that may be taken; 1 is no limit. TOLD is the file into
which the most bytes that were taken on any GPU are written.
"""

import atexit
import runpy
import sys
from pathlib import Path

import torch


def main() -> None:
    fraction, told, *arguments = sys.argv[1:]
    devices = range(torch.cuda.device_count())
    if float(fraction) < 1:
        for each in devices:
            torch.cuda.set_per_process_memory_fraction(float(fraction), each)

    def tell() -> None:
        most = max(torch.cuda.max_memory_reserved(each) for each in devices)
        Path(told).write_text(f"{most}\n")

    atexit.register(tell)
    sys.argv = ["s2s", *arguments]
    runpy.run_module("s2s_cli", run_name="__main__")


if __name__ == "__main__":
    main()
