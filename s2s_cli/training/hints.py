"""Notes for a person who watches a training: each is certain, and comes once in a run."""

import math
from collections.abc import Sequence

from s2s_cli.console import readable, say
from s2s_cli.training.metrics import WindowMetrics
from s2s_cli.training.trainer import Trainer

# Validations without a better one, where no --patience ends the training.
STALE = 6
# An epoch of fewer updates, or of fewer rows in the log, says nothing.
FEWEST_UPDATES = 20
FEWEST_WINDOWS = 3
# During these epochs it is usual that translations are alike and gradients are clipped.
USUAL_EPOCHS = 1


class Hints:
    """The notes of one run."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self._said: set[str] = set()
        # Losses of the rows of the log in the present epoch and in the one before.
        self._losses: list[float] = []
        self._before: list[float] = []

    def once(self, kind: str, note: str) -> None:
        """Print ``note`` unless one of its kind has been."""
        if kind not in self._said:
            say(f"note: {note}")
        self._said.add(kind)

    def logged(self, metrics: WindowMetrics) -> None:
        """Take note of a row of the log."""
        self._losses.append(metrics.loss)

    def epoch_ended(self, number: int, updates: int) -> None:
        """Look back at epoch ``number``, of which this run made so many updates."""
        config = self.trainer.config
        before, now = (mean(losses) for losses in (self._before, self._losses))
        if now >= before:
            self.once(
                "loss",
                f"the training loss did not fall in epoch {number:,}: {readable(now, 3)} after "
                f"{readable(before, 3)}; a lower --learning-rate often helps",
            )
        self._before, self._losses = self._losses, []
        all_clipped = self.trainer.clipped == updates >= FEWEST_UPDATES
        if all_clipped and number > USUAL_EPOCHS:
            self.once(
                "clipping",
                f"every gradient of epoch {number:,} was clipped to --clip-norm "
                f"{config.clip_norm:g}, so steps have one length whatever the gradient is",
            )

    def validated(self, hypotheses: Sequence[str]) -> None:
        """Look at a validation, and at the translations that it made."""
        trainer = self.trainer
        stale, epochs = trainer.progress.stale_validations, trainer.schedule.epochs
        if stale >= STALE and not trainer.config.patience:
            self.once(
                "stale",
                f"no better validation in the last {stale:,}; the best weights are kept; "
                f"--patience {stale} ends such a training",
            )
        alike = len(hypotheses) > 1 and len(set(hypotheses)) == 1
        if alike and epochs(trainer.progress.updates) > USUAL_EPOCHS:
            what = f"as {hypotheses[0]!r}" if hypotheses[0] else "as nothing"
            self.once(
                "alike",
                f"all {len(hypotheses):,} validation sentences are translated {what}: so far the "
                "model does not use the source",
            )


def mean(losses: Sequence[float]) -> float:
    """The mean; no number where there are too few."""
    return math.fsum(losses) / len(losses) if len(losses) >= FEWEST_WINDOWS else math.nan
