"""The weights of the last validations, ``update-N.pt`` in the model directory, for averages."""

from dataclasses import dataclass
from pathlib import Path

from s2s_cli.distributed.state_dicts import model_state_dict, shards
from s2s_cli.model.description import kept_updates, update_file
from s2s_cli.model.directory import save_tensors, tensor_bytes
from s2s_cli.model.pipeline import Model
from s2s_cli.training.schedule import Schedule


@dataclass(frozen=True)
class KeptWeights:
    """The files that ``--keep`` asks for; without it, none is written and none removed.

    Attributes:
        directory: of the model.
        model: whose weights are kept.
        schedule: says when.
    """

    directory: Path
    model: Model
    schedule: Schedule

    def make_ready(self, updates: int) -> int:
        """Leave the directory as it was after so many updates; return the bytes still to come.

        What is of a later update was written by a run that was killed, and will be written again.
        """
        keep = self.schedule.config.keep
        if not keep:
            return 0
        found = kept_updates(self.directory)
        for each in found:
            if each > updates:
                update_file(self.directory, each).unlink()
        size = tensor_bytes(list(shards(self.model).values()))
        # One more is there while the oldest is not removed yet.
        most = min(keep, self.schedule.lasting_validations()) + 1
        return size * max(0, most - sum(each <= updates for each in found))

    def save(self, updates: int) -> None:
        """Write the weights after so many updates; the oldest go beyond ``--keep``."""
        keep = self.schedule.config.keep
        found = [each for each in kept_updates(self.directory) if each != updates]
        obsolete = found[: max(0, len(found) + 1 - keep)]
        save_tensors(
            update_file(self.directory, updates),
            {"model": model_state_dict(self.model)},
            obsolete=[update_file(self.directory, each) for each in obsolete],
        )

    def lacks(self, updates: int) -> bool:
        """True where weights of so many updates are to be kept, and are not there."""
        due = updates > 0 and self.schedule.is_keeping_due(updates)
        return due and not update_file(self.directory, updates).is_file()
