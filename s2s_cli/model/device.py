"""Where to compute, and with how many threads."""

import torch

from s2s_cli.errors import UserError


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
        raise UserError(
            f"--device {name}: no such device here, or none that s2s computes on; try cpu",
            exit_code=2,
        ) from None
    return device


def set_threads(threads: int) -> None:
    """Use so many CPU threads; 0 leaves torch's choice, one a core."""
    if threads:
        torch.set_num_threads(threads)
