"""The progress of a training, and the settings that identify it."""

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from s2s_cli.errors import UserError
from s2s_cli.json_fields import from_json
from s2s_cli.model.config import Shape
from s2s_cli.training.config import MAY_CHANGE, BestBy, TrainingConfig
from s2s_cli.training.optimisers import LARGEST_COUNT
from s2s_cli.training.validation import NO_BLEU, Quality

# Changes whenever the same seed gives other batches, or batches other updates: a training does not
# go on with those.
VERSION = 2
# Entries that are left out where they have their default: trainings without them are as they were
# before there were any.
LATER_ENTRIES = "best_bleu", "end_bleu"
LATER_SETTINGS = "best_by", "validate_bleu"


@dataclass
class Progress:
    """The progress of a training, as a checkpoint holds it.

    Attributes:
        updates: updates done.
        best_perplexity: validation perplexity of the best weights so far, infinite before the
            first.
        best_update: when that was.
        stale_validations: validations since then.
        metrics_bytes: length of the metrics file; what a later crash left beyond it is cut off.
        window_loss: loss summed over the words since the last line of the log.
        window_words: target words since then, `EOS` counted.
        window_norm: largest gradient norm since then.
        skipped_in_a_row: updates skipped because their gradient was not finite.
        skipped: such updates in all.
        end_perplexity: of the last weights, where the end of the run alone made a validation of
            them; infinite else. It does not count if the training goes on.
        best_bleu: BLEU of the best weights; `NO_BLEU` where none was computed.
        end_bleu: of the last weights, as ``end_perplexity``.
    """

    updates: int = 0
    best_perplexity: float = float("inf")
    best_update: int = 0
    stale_validations: int = 0
    metrics_bytes: int = 0
    window_loss: float = 0.0
    window_words: int = 0
    window_norm: float = 0.0
    skipped_in_a_row: int = 0
    skipped: int = 0
    end_perplexity: float = float("inf")
    best_bleu: float = NO_BLEU
    end_bleu: float = NO_BLEU

    @property
    def best(self) -> Quality:
        """The best validation so far."""
        return Quality(self.best_perplexity, self.best_bleu)

    @property
    def end(self) -> Quality:
        """The validation that the end of the run alone made."""
        return Quality(self.end_perplexity, self.end_bleu)

    def best_validation(self, by: BestBy) -> tuple[Quality, int]:
        """The best validation so far, that of the end counted, and its update; 0: none yet."""
        if self.end.beats(self.best, by):
            return self.end, self.updates
        return self.best, self.best_update

    def as_saved(self) -> dict[str, Any]:
        """The entry of a checkpoint."""
        saved = asdict(self)
        return {
            name: value
            for name, value in saved.items()
            if name not in LATER_ENTRIES or value != NO_BLEU
        }

    @classmethod
    def from_saved(cls, saved: dict[str, Any]) -> "Progress":
        """Undo `as_saved`.

        Raises:
            ValueError: other entries, or entries of another type; a count is negative or beyond
                all measure, or a number is none.
        """
        return from_json(cls, saved, "a training's progress", low=0, high=LARGEST_COUNT)


@dataclass(frozen=True)
class Identity:
    """The settings that must not differ between two runs of one training."""

    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, config: TrainingConfig, shape: Shape, data: str) -> "Identity":
        settings = {**shape.as_json(), **asdict(config), "data": data, "version": VERSION}
        left_out = MAY_CHANGE if config.best_by == "bleu" else {*MAY_CHANGE, *LATER_SETTINGS}
        return cls({key: value for key, value in settings.items() if key not in left_out})

    def check(self, saved: dict[str, Any], directory: Path) -> None:
        """Refuse to go on with another training's state.

        Raises:
            UserError: names every setting that differs, with both values.
        """
        if saved.get("version") != VERSION:
            raise UserError(
                f"{directory}: holds a training that another version of s2s began; go on with that "
                "one, or train into another directory with --model"
            )
        names = sorted(set(self.settings) | set(saved))
        differing = [name for name in names if self.settings.get(name) != saved.get(name)]
        if "best_by" in differing:  # without BLEU in it, a checkpoint has no number of sentences
            differing = [name for name in differing if name != "validate_bleu"]
        if differing:
            differences = "; ".join(self.difference(name, saved.get(name)) for name in differing)
            raise UserError(
                f"{directory}: holds a training with other settings: {differences}; set them back, "
                "or train into another directory with --model"
            )

    def difference(self, name: str, before: Any) -> str:
        if name == "data":
            return "the data (prep or vocab was run again)"
        # What `as_json` and `of` leave out.
        own = {each.name: each.default for each in (*fields(Shape), *fields(TrainingConfig))}
        both = before, self.settings.get(name)
        was, now = (own.get(name) if value is None else value for value in both)
        return f"{name.replace('_', '-')} was {was}, now {now}"
