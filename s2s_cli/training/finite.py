"""What becomes of a training whose numbers are not finite any more."""

import math
from collections.abc import Iterable
from pathlib import Path

import torch
from torch.nn import Parameter

from s2s_cli.errors import UserError
from s2s_cli.model.directory import LAST
from s2s_cli.model.pipeline import Model

SKIPPED_IN_A_ROW = 5


def refuse_more_skips(in_a_row: int, directory: Path) -> None:
    """End a training that makes no step any more.

    Raises:
        UserError: so many updates in a row were skipped.
    """
    if in_a_row >= SKIPPED_IN_A_ROW:
        raise UserError(f"{in_a_row} updates in a row had no finite gradient; {advice(directory)}")


def refuse_infinity(model: Model, updates: int, directory: Path) -> None:
    """Save no weights that nothing can be done with, in place of others.

    Raises:
        UserError: after so many updates there is an infinity or a NaN among the weights.
    """
    if not all_finite(model.parameters()):
        raise UserError(
            f"after update {updates:,} some weights are not finite, and are not saved; "
            + advice(directory)
        )


@torch.no_grad()
def all_finite(parameters: Iterable[Parameter]) -> bool:
    """Whether there is neither infinity nor NaN among the weights."""
    return all(math.isfinite(end) for each in parameters for end in each.aminmax())


def advice(directory: Path) -> str:
    saved = (directory / LAST).is_file()
    use = f"use the last checkpoint in {directory}, or " if saved else ""
    return f"{use}train anew with a lower --learning-rate"
