"""What a training needs to go on as if it had never stopped, in one file."""

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from s2s_cli.console import warn
from s2s_cli.distributed import state_dicts
from s2s_cli.errors import DamagedFileError, UserError, is_out_of_memory
from s2s_cli.json_fields import from_json
from s2s_cli.model.config import Shape
from s2s_cli.model.directory import (
    BEST,
    LAST,
    PREVIOUS,
    load_tensors,
    remove_half_written,
    replace_damaged,
    require_room,
    save_tensors,
    tensor_bytes,
)
from s2s_cli.model.pipeline import Model
from s2s_cli.training.config import MAY_CHANGE, TrainingConfig
from s2s_cli.training.optimisers import LARGEST_COUNT, Optimisers, optimiser_spec

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
        """What `asdict` made of one.

        Raises:
            ValueError: other entries, or entries of another type; a count is negative or beyond
                all measure, or a number is none.
        """
        return from_json(cls, saved, "a training's progress", low=0, high=LARGEST_COUNT)


@dataclass(frozen=True)
class Identity:
    """What must not differ between two runs of one training."""

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
            told = "; ".join(self.difference(name, saved.get(name)) for name in differing)
            raise UserError(
                f"{directory}: holds a training with other settings: {told}; set them back, "
                "or train into another directory with --model"
            )

    def difference(self, name: str, before: Any) -> str:
        if name == "data":
            return "the data (prep or vocab was run again)"
        own = {each.name: each.default for each in fields(Shape)}  # what as_json leaves out
        both = before, self.settings.get(name)
        was, now = (own.get(name) if value is None else value for value in both)
        return f"{name.replace('_', '-')} was {was}, now {now}"


def save(
    directory: Path,
    model: Model,
    optimisers: Optimisers,
    progress: Progress,
    identity: Identity,
    device: torch.device,
) -> None:
    """Write ``last.pt``: weights and state agree because they are one file.

    The one before stays as ``last.previous.pt``.
    """
    # Of the GPU that trains alone: asking all would start a context on each.
    cuda = [torch.cuda.get_rng_state(device)] if device.type == "cuda" else []
    save_tensors(
        directory / LAST,
        {
            "model": state_dicts.model_state_dict(model),
            "optimisers": state_dicts.optimiser_state_dicts(optimisers.each, model),
            "progress": asdict(progress),
            "settings": identity.settings,
            "random": {"cpu": torch.get_rng_state(), "cuda": cuda},
        },
        previous=directory / PREVIOUS,
    )


def save_best(directory: Path, model: Model) -> None:
    """Write ``best.pt``: the weights alone."""
    save_tensors(directory / BEST, {"model": state_dicts.model_state_dict(model)})


def holds(path: Path, weights: dict[str, Tensor]) -> bool:
    """Whether these are the weights in ``path``, whatever else may be wrong with it."""
    if not path.is_file():
        return False
    try:
        saved = load_tensors(path)["model"]
    except UserError:
        return False
    return saved.keys() == weights.keys() and all(
        torch.equal(saved[name], each.cpu()) for name, each in weights.items()
    )


def make_ready(directory: Path, model: Model, config: TrainingConfig, *, damaged: bool) -> None:
    """Leave ``directory`` as if no run before had been killed, with room for all checkpoints.

    Args:
        directory: of the model.
        model: what is trained there.
        config: how.
        damaged: the last checkpoint is, and the one before takes its place.

    Raises:
        UserError: there is no room; says what is needed and what is free.
    """
    remove_half_written(directory)
    best = tensor_bytes(list(state_dicts.shards(model).values()))
    last = best * (1 + len(optimiser_spec(config.optimiser).moments))
    paths = [directory / name for name in (BEST, LAST, PREVIOUS)]
    there = sum(path.stat().st_size for path in paths if path.is_file())
    # While a checkpoint is written, all others are there.
    require_room(directory / LAST, best + 3 * last - there)
    if damaged:
        replace_damaged(directory)


@dataclass(frozen=True)
class Restored:
    """What `restore` found: where a training stands, and the file that says so."""

    progress: Progress
    path: Path


def restore(
    directory: Path,
    model: Model,
    optimisers: Optimisers,
    identity: Identity,
    device: torch.device,
) -> Restored | None:
    """Put back what `save` wrote last, or before that if the last is damaged; None: nothing there.

    Raises:
        UserError: the files are damaged, or belong to a training with other settings; there are
            the best weights of a training that cannot be resumed, which a new one would destroy.
    """
    last, previous = directory / LAST, directory / PREVIOUS
    arguments = directory, model, optimisers, identity, device
    if not previous.is_file():
        if last.is_file():
            return Restored(put_back(last, *arguments), last)
        if (directory / BEST).is_file():
            raise UserError(
                f"{directory}: holds a trained model ({BEST}) but no {LAST} to go on from; "
                "train into another directory with --model, or remove it"
            )
        return None
    try:
        if not last.is_file():
            raise DamagedFileError(f"{last}: no such file")
        return Restored(put_back(last, *arguments), last)
    except DamagedFileError as error:
        warn(f"{error}; trying the checkpoint before that, {previous}")
    return Restored(put_back(previous, *arguments), previous)


def put_back(
    path: Path,
    directory: Path,
    model: Model,
    optimisers: Optimisers,
    identity: Identity,
    device: torch.device,
) -> Progress:
    """As `restore`, of one file.

    Raises:
        DamagedFileError: the file is damaged.
        UserError: it belongs to a training with other settings.
    """
    content = load_tensors(path)
    try:
        identity.check(content["settings"], directory)
        state_dicts.load_model_state_dict(model, content["model"])
        state_dicts.load_optimiser_state_dicts(
            optimisers.each, model, content["optimisers"], optimisers.check_state
        )
        torch.set_rng_state(content["random"]["cpu"])
        if device.type == "cuda" and content["random"]["cuda"]:
            torch.cuda.set_rng_state(content["random"]["cuda"][0], device)
        return Progress.from_saved(content["progress"])
    except (KeyError, TypeError, RuntimeError, ValueError, AttributeError) as error:
        if is_out_of_memory(error):
            raise
        raise DamagedFileError(
            f"{path}: damaged, or not a checkpoint of this version of s2s"
        ) from None
