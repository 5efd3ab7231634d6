"""What a person wants to know when a training has ended."""

from s2s_cli.console import say
from s2s_cli.model.description import BEST, LAST
from s2s_cli.training.trainer import Trainer
from s2s_cli.training.validation import shown_quality


def shown_best(trainer: Trainer) -> str:
    """The best validation, when it was and where its weights are; "" where there is none."""
    best, update = trainer.best_validation()
    if not update:
        return ""
    epoch = trainer.schedule.epochs(update)
    unit = trainer.corpus.facts.subwords.per_piece
    return (
        f"validation {shown_quality(best, unit)} at update {update:,} (epoch {epoch:.2f}), "
        f"{trainer.directory / BEST}"
    )


def say_outcome(trainer: Trainer) -> None:
    """Print where the weights are, and how good they are."""
    last = f"no best validation, the last weights are the model: {trainer.directory / LAST}"
    best = shown_best(trainer)
    say(f"best: {best}" if best else last)
