"""The progress of a training, and the settings that identify it."""

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from s2s_cli.errors import UserError
from s2s_cli.json_fields import from_json
from s2s_cli.model.config import Shape
from s2s_cli.training.config import MAY_CHANGE, TrainingConfig
from s2s_cli.training.optimisers import LARGEST_COUNT

# Changes whenever the same seed gives other batches, or batches other updates: a training does not
# go on with those.
VERSION = 2


@dataclass
class Progress:
    """The progress of a training, as a checkpoint holds it.

    Attributes:
        updates: updates done.
        best_perplexity: lowest validation perplexity so far, infinite before the first.
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

    @classmethod
    def from_saved(cls, saved: dict[str, Any]) -> "Progress":
        """Undo `asdict`.

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
        return cls({key: value for key, value in settings.items() if key not in MAY_CHANGE})

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
        if differing:
            differences = "; ".join(self.difference(name, saved.get(name)) for name in differing)
            raise UserError(
                f"{directory}: holds a training with other settings: {differences}; set them back, "
                "or train into another directory with --model"
            )

    def difference(self, name: str, before: Any) -> str:
        if name == "data":
            return "the data (prep or vocab was run again)"
        own = {each.name: each.default for each in fields(Shape)}  # what as_json leaves out
        both = before, self.settings.get(name)
        was, now = (own.get(name) if value is None else value for value in both)
        return f"{name.replace('_', '-')} was {was}, now {now}"
