"""The files of weights of a training: what it needs to go on as if it had never stopped, in one.

Beside them lie the best weights so far, right at every moment, whatever ends the process.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from s2s_cli.atomic_files import keep_as, move, sync_names
from s2s_cli.console import warn
from s2s_cli.destinations import status_of_plain
from s2s_cli.distributed.state_dicts import (
    load_model_state_dict,
    load_optimiser_state_dicts,
    model_state_dict,
    optimiser_state_dicts,
    shards,
)
from s2s_cli.errors import DamagedFileError, UserError, is_out_of_memory
from s2s_cli.model.description import BEST, LAST, kept_updates, update_file
from s2s_cli.model.directory import (
    PREVIOUS,
    load_tensors,
    remove_half_written,
    replace_damaged,
    require_room,
    save_tensors,
    tensor_bytes,
)
from s2s_cli.model.libraries import found_libraries, go_on_with
from s2s_cli.model.pipeline import Model
from s2s_cli.training.optimisers import Optimisers
from s2s_cli.training.progress import Identity, Progress
from s2s_cli.training.record import RECORD

# The best weights of the training proper, while ``best.pt`` are those of a validation that the end
# of a run added to it.
KEPT = f".{BEST}.kept"


@dataclass(frozen=True)
class Restored:
    """The progress of a restored training, and the file that it came from."""

    progress: Progress
    path: Path


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one training.

    Attributes:
        directory: of the model.
        model: whose weights are saved and restored.
        optimisers: whose states are.
        identity: of the training; that of another is not restored.
        device: whose random state is saved, with the CPU's.
    """

    directory: Path
    model: Model
    optimisers: Optimisers
    identity: Identity
    device: torch.device

    def make_ready(self, *, damaged: bool, others: int = 0) -> None:
        """Leave the directory as if no run before had been killed, with room for all checkpoints.

        Args:
            damaged: the last checkpoint is, and the one before takes its place.
            others: bytes of weights that will be there besides.

        Raises:
            UserError: there is no room (states what is needed and what is free), or something that
                is no plain file is in the way.
        """
        directory = self.directory
        for name in (BEST, LAST, PREVIOUS, KEPT, RECORD):
            status_of_plain(directory / name)  # better told now than at the first checkpoint
        remove_half_written(directory)
        best = tensor_bytes(list(shards(self.model).values()))
        last = best * (1 + len(self.optimisers.spec.moments))
        paths = [directory / name for name in (BEST, LAST, PREVIOUS)]
        there = sum(path.stat().st_size for path in paths if path.is_file())
        # While a checkpoint is written, all others are there.
        require_room(directory / LAST, best + 3 * last - there + others)
        if damaged:
            replace_damaged(directory)

    def save(self, progress: Progress) -> None:
        """Write ``last.pt``: weights and state agree because they are one file.

        The one before stays as ``last.previous.pt``.
        """
        # Of the GPU that trains alone: asking all would start a context on each.
        cuda = [torch.cuda.get_rng_state(self.device)] if self.device.type == "cuda" else []
        save_tensors(
            self.directory / LAST,
            {
                "model": model_state_dict(self.model),
                "optimisers": optimiser_state_dicts(self.optimisers.each, self.model),
                "progress": progress.as_saved(),
                "settings": self.identity.settings,
                "random": {"cpu": torch.get_rng_state(), "cuda": cuda},
                **found_libraries(),
            },
            previous=self.directory / PREVIOUS,
        )

    def restore(self) -> Restored | None:
        """Put back what `save` wrote last, or before that if the last is damaged.

        Returns:
            None where nothing has been saved.

        Raises:
            UserError: the files are damaged, or belong to a training with other settings; there are
                the best weights of a training that cannot be resumed, which a new one would
                destroy.
        """
        directory = self.directory
        last, previous = directory / LAST, directory / PREVIOUS
        if not previous.is_file():
            if last.is_file():
                return self.restore_file(last)
            kept = [update_file(directory, each) for each in kept_updates(directory)]
            if weights := [path.name for path in (directory / BEST, *kept) if path.is_file()]:
                raise UserError(
                    f"{directory}: holds a trained model ({weights[0]}) but no {LAST} to go on "
                    "from; train into another directory with --model, or remove it"
                )
            return None
        try:
            if not last.is_file():
                raise DamagedFileError(f"{last}: no such file")
            return self.restore_file(last)
        except DamagedFileError as error:
            warn(f"{error}; trying the checkpoint before that, {previous}")
        return self.restore_file(previous)

    def restore_file(self, path: Path) -> Restored:
        """Put back what is in one file.

        Raises:
            DamagedFileError: the file is damaged.
            UserError: it belongs to a training with other settings.
        """
        content = load_tensors(path)
        try:
            self.identity.check(content["settings"], self.directory)
            load_model_state_dict(self.model, content["model"])
            load_optimiser_state_dicts(
                self.optimisers.each,
                self.model,
                content["optimisers"],
                self.optimisers.check_state,
            )
            if "products" in content:
                go_on_with(content["products"])
            torch.set_rng_state(content["random"]["cpu"])
            if self.device.type == "cuda" and content["random"]["cuda"]:
                torch.cuda.set_rng_state(content["random"]["cuda"][0], self.device)
            return Restored(Progress.from_saved(content["progress"]), path)
        except (KeyError, TypeError, RuntimeError, ValueError, AttributeError) as error:
            if is_out_of_memory(error):
                raise
            raise DamagedFileError(
                f"{path}: damaged, or not a checkpoint of this version of s2s"
            ) from None

    def save_best(self, *, lasting: bool) -> None:
        """Write ``best.pt``, the weights alone; if they may not last, keep those before them."""
        best, kept = self.directory / BEST, self.directory / KEPT
        if not lasting and not kept.is_file():
            keep_as(best, kept)
            sync_names(self.directory)
        save_tensors(best, {"model": model_state_dict(self.model)})

    def restore_best(self) -> None:
        """Undo a `save_best` that does not last: the training goes on."""
        kept = self.directory / KEPT
        if kept.is_file():
            move(kept, self.directory / BEST)
            # Two names of one file, after a kill between them, are left alone by the system.
            kept.unlink(missing_ok=True)
            sync_names(self.directory)

    def lost_best(self, progress: Progress) -> str | None:
        """Say that the best weights are gone, and cannot be made again; None where they are there.

        ``progress`` is that of the last checkpoint.
        """
        if not progress.best_update or (self.directory / BEST).is_file():
            return None
        return (
            f"{self.directory / BEST}: is missing, and the best weights, of update "
            f"{progress.best_update:,}, are in no other file"
        )

    def is_best_current(self) -> bool:
        """True where the best weights are those of the model."""
        return is_saved(self.directory / BEST, model_state_dict(self.model))

    def refuse_non_finite(self, updates: int) -> None:
        """Save no weights that nothing can be done with, in place of others.

        Raises:
            UserError: after so many updates there is an infinity or a NaN among the weights.
        """
        if not all_finite(self.model):
            raise UserError(
                f"after update {updates:,} some weights are not finite, and are not saved; "
                + self.advice()
            )

    def advice(self) -> str:
        """Advice on a training whose numbers are not finite any more."""
        saved = (self.directory / LAST).is_file()
        use = f"use the last checkpoint in {self.directory}, or " if saved else ""
        return f"{use}train anew with a lower --learning-rate"


def is_saved(path: Path, weights: dict[str, Tensor]) -> bool:
    """True where these are the weights in ``path``, whatever else may be wrong with it."""
    if not path.is_file():
        return False
    try:
        saved = load_tensors(path)["model"]
    except UserError:
        return False
    return saved.keys() == weights.keys() and all(
        torch.equal(saved[name], each.cpu()) for name, each in weights.items()
    )


@torch.no_grad()
def all_finite(model: Model) -> bool:
    """True where there is neither infinity nor NaN among the weights."""
    return all(math.isfinite(end) for each in model.parameters() for end in each.aminmax())
