"""The best weights so far, ``best.pt``: right at every moment, whatever ends the process."""

from pathlib import Path

from s2s_cli.atomic_files import keep_as, move, sync_names
from s2s_cli.distributed.state_dicts import model_state_dict
from s2s_cli.model.directory import BEST
from s2s_cli.model.pipeline import Model
from s2s_cli.training import checkpoint

# The best weights of the training proper, while ``best.pt`` are those of a validation that the end
# of a run added to it.
KEPT = f".{BEST}.kept"


def put(directory: Path, model: Model, *, lasting: bool) -> None:
    """Make the weights of ``model`` the best; what they replace is kept if they may not last."""
    if not lasting and not (directory / KEPT).is_file():
        keep_as(directory / BEST, directory / KEPT)
        sync_names(directory)
    checkpoint.save_best(directory, model)


def take_back(directory: Path) -> None:
    """Undo a `put` that does not last: the training goes on."""
    if (directory / KEPT).is_file():
        move(directory / KEPT, directory / BEST)
        # Two names of one file, after a kill between them, are left alone by the system.
        (directory / KEPT).unlink(missing_ok=True)
        sync_names(directory)


def are(directory: Path, model: Model) -> bool:
    """Whether the best weights are those of ``model``."""
    return checkpoint.holds(directory / BEST, model_state_dict(model))
