"""The schedule of a training: learning rates (§3.4), log lines, validations, checkpoints."""

import math
from bisect import bisect_left
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal
from fractions import Fraction
from functools import cached_property
from pathlib import Path

from s2s_cli.errors import UsageError
from s2s_cli.training.config import TrainingConfig

# Without --save-every. Validations are followed by a checkpoint, too.
SAVE_EVERY = 1000
# Halved so often, any rate is 0.
MOST_HALVINGS = 2000
# A rate that is so much lower than the first one changes no weight any more.
FADED = 1e-9


@dataclass(frozen=True)
class Schedule:
    """Decides what is due after so many updates of a training, counted from its start.

    Attributes:
        config: intervals and learning rates.
        updates_per_epoch: updates that read the whole corpus once.
        has_validation: there is validation text.
    """

    config: TrainingConfig
    updates_per_epoch: int
    has_validation: bool = True

    def epochs(self, updates: int) -> float:
        """Epochs done, with fraction."""
        return updates / self.updates_per_epoch

    @cached_property  # asked for in every update
    def total_updates(self) -> int:
        """Updates from the first to the last of the training.

        Those of ``epochs``, of which a half or more counts as one, as far as ``max_updates`` lets.
        """
        # As it was written: 0.29 epochs of 100 updates are 29, though their product is below it.
        total = math.floor(self.exact_updates + Fraction(1, 2))
        return min(total, self.config.max_updates) if self.config.max_updates else total

    @property
    def exact_updates(self) -> Fraction:
        """Updates of ``epochs``, with fraction."""
        return Fraction(repr(self.config.epochs)) * self.updates_per_epoch

    def check(self) -> None:
        """Refuse a training of less than an update.

        Raises:
            UsageError: says how many epochs an update is.
        """
        if self.exact_updates < 1:
            config, count = self.config, self.updates_per_epoch
            # Rounded up: what it says is enough.
            enough = Context(prec=6, rounding=ROUND_CEILING).divide(Decimal(1), Decimal(count))
            raise UsageError(
                f"--epochs {config.epochs:g} is no update: at --batch-size {config.batch_size}, an "
                f"epoch of this corpus has {count:,}; give {enough} or more"
            )

    def faded(self) -> int | None:
        """The first update whose rate is too low to change a weight; None if there is none."""
        lowest = FADED * self.config.learning_rate
        place = bisect_left(
            range(self.total_updates), True, key=lambda each: self.learning_rate(each) <= lowest
        )
        return place + 1 if place < self.total_updates else None

    def learning_rate(self, updates: int) -> float:
        """The rate of the update that follows ``updates``."""
        config = self.config
        return learning_rate(
            config.learning_rate, self.epochs(updates), config.halve_after, config.halve_every
        )

    def is_log_due(self, updates: int) -> bool:
        return updates % self.config.log_every == 0

    def is_validation_due(self, updates: int) -> bool:
        """True every so many updates, or each half epoch; and at the end."""
        at_end = updates == self.total_updates
        return self.has_validation and (at_end or self.is_lasting_validation(updates))

    def is_lasting_validation(self, updates: int) -> bool:
        """True for a validation of the training itself, not only of the end of this run.

        The latter shows how good the last weights are. If the training then goes on to a later
        end, it does so as if that validation had not been: patience and best weights would
        otherwise depend on where a run was to end.
        """
        return is_validation(updates, self.config.validate_every, self.updates_per_epoch)

    def lasting_validations(self) -> int:
        """Validations of the training itself, from its start to its end."""
        if every := self.config.validate_every:
            return self.total_updates // every
        return 2 * self.total_updates // self.updates_per_epoch

    def is_keeping_due(self, updates: int) -> bool:
        """True where weights are kept (``--keep``): at validations, or where they would be."""
        return self.config.keep > 0 and self.is_lasting_validation(updates)

    def is_checkpoint_due(self, updates: int, last: Path) -> bool:
        """True where a checkpoint is to be written to ``last``."""
        weights = self.is_validation_due(updates) or self.is_keeping_due(updates)
        if self.config.save_every:
            # Other weights are never there without a checkpoint from which the training can go on.
            needed = weights and not last.is_file()
            return needed or updates % self.config.save_every == 0
        return updates % SAVE_EVERY == 0 or weights


def learning_rate(start: float, epochs: float, halve_after: float, halve_every: float) -> float:
    """The rate after so many epochs: fixed, then halved at once and again every so often (§3.4).

    With the paper's values, 0.7 holds during the first five epochs, the update that opens the
    sixth uses 0.35, the second half of the sixth 0.175, and so on to 7.5 epochs.

    Args:
        start: rate before any halving.
        epochs: epochs done, with fraction.
        halve_after: epochs before the first halving.
        halve_every: epochs from one halving to the next; 0: the rate is never halved.
    """
    if halve_every == 0 or epochs < halve_after:
        return start
    # A position such as 5.5 is a quotient of integers; it must not fall a rounding short of 5.5.
    halvings = min((epochs - halve_after) / halve_every + 1e-9, MOST_HALVINGS)
    return float(start * 0.5 ** (math.floor(halvings) + 1))


def is_validation(updates: int, every: int, updates_per_epoch: int) -> bool:
    """True for each update of ``every``, or of every half epoch where that is 0."""
    if every:
        return updates % every == 0
    halves = [2 * each // updates_per_epoch for each in (updates - 1, updates)]
    return halves[0] != halves[1]
