"""Devices, threads, and memory that is free again."""

import ctypes

import torch

from s2s_cli.errors import UsageError, UserError
from s2s_cli.processes import physical_memory
from s2s_cli.settings import MOST_THREADS, Bounds


def choose_device(name: str) -> torch.device:
    """The device that ``--device`` names; ``auto`` is a GPU where there is one.

    Raises:
        UserError: no such device here (exit code 2).
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda"):  # others lack float64 or sparse gradients
            raise RuntimeError
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise UsageError(
            f"--device {name}: no such device here, or none that s2s computes on; try cpu"
        ) from None
    return device


def choose_devices(name: str, count: int) -> tuple[torch.device, ...]:
    """The devices that ``--device`` and ``--gpus`` name: the first GPUs, one for each process.

    Where the name is that of a single device, cpu or cuda:1, the processes share it: the same code
    runs anywhere, for trying.

    Raises:
        UserError: no such device here, or fewer than ``count`` (exit code 2).
    """
    if count == 1 or name not in ("auto", "cuda"):
        return (choose_device(name),) * count
    found = torch.cuda.device_count()
    if found < count:
        raise UsageError(too_few(count, found))
    return tuple(torch.device("cuda", number) for number in range(count))


def too_few(wanted: int, found: int) -> str:
    """Say what to type where there are fewer GPUs than wanted."""
    there = {0: "no GPU", 1: "one GPU"}.get(found, f"{found} GPUs")
    instead = f"type --gpus {found}" if found > 1 else "leave --gpus out"
    return (
        f"--gpus {wanted}: this machine has {there}; {instead}, "
        "or put --device cpu beside it to try it on a CPU"
    )


def require_memory(needed: int, what: str, device: torch.device) -> None:
    """Refuse what takes more bytes than the machine has, where ``device`` is its CPU.

    A system may promise more than it has, and end the process once it is used.

    Raises:
        UserError: says what ``what`` needs and what there is.
    """
    there = physical_memory()
    if device.type == "cpu" and there and needed > there:
        raise UserError(
            f"out of memory: {what} {needed / 2**30:,.1f} GiB, and this machine has "
            f"{there / 2**30:,.1f} GiB; a smaller model needs less"
        )


def set_threads(threads: int) -> None:
    """Use so many CPU threads; 0 leaves torch's choice, one a core.

    Raises:
        UsageError: a number that no machine has, at which the process would be aborted.
    """
    if complaint := Bounds(0, MOST_THREADS).complaint(threads):
        raise UsageError(f"--threads {threads}: {complaint}")
    if threads:
        torch.set_num_threads(threads)


def keep_memory() -> None:
    """Have freed memory used again rather than given back to the system and fetched anew.

    The C library gives large blocks back at once. An update, or a step of search, would fetch all
    of its tensors page by page, zeroed, and spend a tenth of its time on that or more. Only glibc
    is asked; others do as they do.
    """
    trim_threshold, top_pad, mmap_max = -1, -2, -4  # M_… of glibc's malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    for option, value in ((mmap_max, 0), (trim_threshold, 2**31 - 1), (top_pad, 1 << 26)):
        mallopt(option, value)
