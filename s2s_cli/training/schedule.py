"""What falls where in a training: the learning rate (§3.4), and validations."""

import math


def learning_rate(start: float, position: float, halve_after: float, halve_every: float) -> float:
    """The rate at ``position`` epochs: fixed, then halved at once and again every so often.

    With the paper's values, 0.7 holds during the first five epochs, the update that opens the
    sixth uses 0.35, the second half of the sixth 0.175, and so on to 7.5 epochs.

    Args:
        start: rate before any halving.
        position: epochs done, with fraction.
        halve_after: epochs before the first halving.
        halve_every: epochs from one halving to the next; 0: the rate is never halved.
    """
    if halve_every == 0 or position < halve_after:
        return start
    # A position such as 5.5 is a quotient of integers; it must not fall a rounding short of 5.5.
    halvings = math.floor((position - halve_after) / halve_every + 1e-9) + 1
    return float(start * 0.5**halvings)


def validation_falls(updates: int, every: int, updates_per_epoch: int) -> bool:
    """Whether a validation follows this update: each of so many, or of every half epoch."""
    if every:
        return updates % every == 0
    halves = [2 * each // updates_per_epoch for each in (updates - 1, updates)]
    return halves[0] != halves[1]
