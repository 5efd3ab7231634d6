"""The record of a training, ``training.json``: settings, data, environments and course. No torch.

People and `s2s info` read it; nothing else needs it to be there.
"""

import math
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from s2s_cli.errors import UserError
from s2s_cli.files import check_format, read_json, write_json
from s2s_cli.json_fields import fits, from_json
from s2s_cli.training.validation import NO_BLEU

RECORD = "training.json"
RECORD_FORMAT = 1
AVERAGE = "average.json"
AVERAGE_FORMAT = 1
SCALARS = (bool, int, float, str)


@dataclass(frozen=True)
class TrainingData:
    """The corpus of a training.

    Attributes:
        sha256: of corpus.json, which has those of vocabularies and ids.
    """

    sha256: str
    pairs: int
    validation_pairs: int


@dataclass(frozen=True)
class Environment:
    """Versions and devices with which updates were made.

    Attributes:
        after_update: updates done before the first one.
        device: ``cpu`` and the machine's architecture, or the GPU's name.
        devices: number of them in all processes.
        processes: with a copy of the model each.
        threads: CPU threads of each process.
    """

    after_update: int
    s2s: str
    python: str
    torch: str
    device: str
    devices: int
    processes: int
    threads: int


@dataclass(frozen=True)
class Course:
    """Progress of a training as of its last checkpoint.

    Attributes:
        updates: updates done.
        total_updates: those to do.
        epochs: epochs done, with fraction.
        skipped: updates skipped because their gradient was not finite.
        best_update: after which ``best.pt`` was written; 0: never.
        best_perplexity: on the validation text, of these weights.
        best_bleu: likewise; `NO_BLEU` where none was computed.
        finished: the reason why it has ended; empty while it may go on.
    """

    updates: int
    total_updates: int
    epochs: float
    skipped: int = 0
    best_update: int = 0
    best_perplexity: float = math.inf
    best_bleu: float = NO_BLEU
    finished: str = ""


@dataclass(frozen=True)
class TrainingRecord:
    """Settings, data, environments and course of one training.

    Attributes:
        settings: options of the last `s2s train`, by name, defaults included.
        data: its corpus.
        environments: in which updates were made, in their order; none that is not known.
        course: how far it has come.
    """

    settings: dict[str, Any]
    data: TrainingData
    environments: tuple[Environment, ...]
    course: Course

    def write(self, directory: Path) -> None:
        write_json(directory / RECORD, self.as_json())

    def as_json(self) -> dict[str, Any]:
        """Content of ``training.json``; of the course, what there is."""
        default = {each.name: each.default for each in fields(Course)}
        course = asdict(self.course).items()
        return {
            "format": RECORD_FORMAT,
            "settings": self.settings,
            "data": asdict(self.data),
            "environments": [asdict(each) for each in self.environments],
            "course": {name: value for name, value in course if value != default[name]},
        }

    @classmethod
    def read(cls, directory: Path) -> "TrainingRecord | None":
        """Read the record in ``directory``; None where there is none.

        Raises:
            UserError: another format, or no record.
        """
        path = directory / RECORD
        if not path.exists():
            return None
        value = read_json(path)
        check_format(value.get("format"), RECORD_FORMAT, path, "remove it")
        try:
            return cls(
                checked_settings(value.get("settings")),
                from_json(TrainingData, value.get("data"), "a training's data", low=0),
                checked_environments(value.get("environments")),
                from_json(Course, value.get("course"), "a training's course", low=0),
            )
        except ValueError:
            raise UserError(
                f"{path}: is no record of a training; remove it: no command needs it"
            ) from None


def checked_settings(value: object) -> dict[str, Any]:
    """Return settings by name, each a number, a truth value or text.

    Raises:
        ValueError: they are not.
    """
    if not isinstance(value, dict) or not all(
        any(fits(each, kind) for kind in SCALARS) for each in value.values()
    ):
        raise ValueError("no settings")
    return value


def checked_environments(value: object) -> tuple[Environment, ...]:
    """Return environments from a JSON list.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, list):
        raise ValueError("no environments")
    return tuple(from_json(Environment, each, "an environment", low=0) for each in value)


def extended(earlier: TrainingRecord | None, now: Environment) -> tuple[Environment, ...]:
    """The environments of a training that goes on in the environment ``now``.

    One whose updates are done again is left out, and so is ``now`` where it is like the last.
    """
    known = earlier.environments if earlier else ()
    before = tuple(each for each in known if each.after_update < now.after_update)
    if before and replace(before[-1], after_update=now.after_update) == now:
        return before
    return (*before, now)


@dataclass(frozen=True)
class AverageRecord:
    """The checkpoints whose mean a model is, ``average.json``, by the names that were given."""

    files: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {"format": AVERAGE_FORMAT, "files": list(self.files)}

    @classmethod
    def read(cls, directory: Path) -> "AverageRecord | None":
        """Read what `s2s average` left in ``directory``; None where there is nothing.

        Raises:
            UserError: another format, or a file of someone else.
        """
        path = directory / AVERAGE
        if not path.exists():
            return None
        value = read_json(path)
        check_format(value.get("format"), AVERAGE_FORMAT, path, "average again")
        files = value.get("files")
        if not isinstance(files, list) or not files or not all(isinstance(e, str) for e in files):
            raise UserError(f"{path}: names no checkpoints; average again")
        return cls(tuple(files))
