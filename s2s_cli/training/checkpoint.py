"""What a training needs to go on as if it had never stopped, in one file."""

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch

from s2s_cli.errors import UserError, is_out_of_memory
from s2s_cli.model.config import Shape
from s2s_cli.model.directory import BEST, LAST, load_tensors, save_tensors
from s2s_cli.model.pipeline import Model
from s2s_cli.training import whole
from s2s_cli.training.config import MAY_CHANGE, TrainingConfig

# Changes whenever the same seed gives other batches, or batches other updates: a training does not
# go on with those.
VERSION = 2


@dataclass
class Progress:
    """Where a training stands.

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

    @classmethod
    def from_saved(cls, saved: dict[str, Any]) -> "Progress":
        """What `asdict` made of one.

        Raises:
            TypeError: other entries, or entries of another type.
        """
        progress = cls(**saved)
        for each in fields(cls):
            if type(getattr(progress, each.name)) is not each.type:
                raise TypeError(each.name)
        return progress


@dataclass(frozen=True)
class Identity:
    """What must not differ between two runs of one training."""

    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, config: TrainingConfig, shape: Shape, data: str) -> "Identity":
        settings = {**asdict(shape), **asdict(config), "data": data, "version": VERSION}
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
            told = "; ".join(self.difference(name, saved.get(name)) for name in differing)
            raise UserError(
                f"{directory}: holds a training with other settings: {told}; set them back, "
                "or train into another directory with --model"
            )

    def difference(self, name: str, before: Any) -> str:
        if name == "data":
            return "the data (prep or vocab was run again)"
        return f"{name.replace('_', '-')} was {before}, now {self.settings.get(name)}"


def save(
    directory: Path,
    model: Model,
    optimisers: list[torch.optim.Optimizer],
    progress: Progress,
    identity: Identity,
    device: torch.device,
) -> None:
    """Write ``last.pt``: weights and state agree because they are one file."""
    # Of the GPU that trains alone: asking all would start a context on each.
    cuda = [torch.cuda.get_rng_state(device)] if device.type == "cuda" else []
    save_tensors(
        directory / LAST,
        {
            "model": whole.weights(model),
            "optimisers": whole.states(optimisers, model),
            "progress": asdict(progress),
            "settings": identity.settings,
            "random": {"cpu": torch.get_rng_state(), "cuda": cuda},
        },
    )


def save_best(directory: Path, model: Model) -> None:
    """Write ``best.pt``: the weights alone."""
    save_tensors(directory / BEST, {"model": whole.weights(model)})


def restore(
    directory: Path,
    model: Model,
    optimisers: list[torch.optim.Optimizer],
    identity: Identity,
    device: torch.device,
) -> Progress | None:
    """Put back what `save` wrote; None where there is nothing.

    Raises:
        UserError: the file is damaged, or belongs to a training with other settings; there are
            the best weights of a training that cannot be resumed, which a new one would destroy.
    """
    path = directory / LAST
    if not path.is_file():
        if (directory / BEST).is_file():
            raise UserError(
                f"{directory}: holds a trained model ({BEST}) but no {LAST} to go on from; "
                "train into another directory with --model, or remove it"
            )
        return None
    content = load_tensors(path)
    try:
        identity.check(content["settings"], directory)
        whole.load_weights(model, content["model"])
        whole.load_states(optimisers, model, content["optimisers"])
        torch.set_rng_state(content["random"]["cpu"])
        if device.type == "cuda" and content["random"]["cuda"]:
            torch.cuda.set_rng_state(content["random"]["cuda"][0], device)
        return Progress.from_saved(content["progress"])
    except (KeyError, TypeError, RuntimeError, ValueError, AttributeError) as error:
        if is_out_of_memory(error):
            raise
        raise UserError(f"{path}: damaged, or not a checkpoint of this version of s2s") from None
