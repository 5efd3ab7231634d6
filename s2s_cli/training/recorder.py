"""Keeps the record of a training up to date, from its start to its end."""

import platform
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch

from s2s_cli import __version__
from s2s_cli.console import warn
from s2s_cli.data.corpus import Corpus
from s2s_cli.distributed.replica import Replica
from s2s_cli.errors import UserError
from s2s_cli.model.config import ModelConfig, Shape
from s2s_cli.training.config import TrainingConfig
from s2s_cli.training.progress import Progress
from s2s_cli.training.record import (
    Course,
    Environment,
    TrainingData,
    TrainingRecord,
    extended,
)
from s2s_cli.training.schedule import Schedule


class Recorder:
    """The record of one training in its directory, which the first replica writes."""

    def __init__(
        self, directory: Path, corpus: Corpus, shape: Shape, schedule: Schedule, replica: Replica
    ) -> None:
        self.directory, self.schedule, self.replica = directory, schedule, replica
        pairs = len(corpus.valid) if corpus.valid else 0
        self.data = TrainingData(corpus.digest, len(corpus.train), pairs)
        self.settings = all_settings(shape, schedule.config)
        self.written: TrainingRecord | None = None

    def begin(self, progress: Progress) -> None:
        """Write the record of a training that begins, or goes on, here and now.

        Raises:
            UserError: it begins, and there is a file of the record's name that is none.
        """
        earlier = self.read(strict=not progress.updates)
        now = environment(self.replica, progress.updates)
        self.write(extended(earlier, now), course(progress, self.schedule, ""))

    def update(self, progress: Progress, finished: str | None) -> None:
        """Write how far the training has come; ``finished`` is the reason why it has ended."""
        if self.written is not None:
            now = course(progress, self.schedule, finished or "")
            self.write(self.written.environments, now)

    def mend(self, progress: Progress, finished: str | None) -> None:
        """Write what the record of a training that has ended lacks."""
        found = self.read(strict=False)
        if found and found.course.finished and found.course.updates == progress.updates:
            return
        environments = found.environments if found else ()
        self.write(environments, course(progress, self.schedule, finished or ""))

    def read(self, *, strict: bool) -> TrainingRecord | None:
        """Read the record of this training, as far as there is one.

        Raises:
            UserError: what is there is none, and ``strict``; otherwise it is replaced.
        """
        try:
            found = TrainingRecord.read(self.directory)
        except UserError as error:
            if strict:
                raise
            warn(f"{error}; it is written again, without what is not known any more")
            return None
        return found if found and found.data == self.data else None

    def write(self, environments: tuple[Environment, ...], course: Course) -> None:
        record = TrainingRecord(self.settings, self.data, environments, course)
        if record != self.written:
            record.write(self.directory)
            self.written = record


def all_settings(shape: Shape, config: TrainingConfig) -> dict[str, Any]:
    """The options of ``s2s train`` by name, those of the model first; paths are no settings."""
    of_model = {each.name: getattr(shape, each.name) for each in fields(ModelConfig)}
    own = {name: value for name, value in asdict(config).items() if name != "tensorboard"}
    return {**of_model, **own}


def environment(replica: Replica, updates: int) -> Environment:
    """The versions and devices of this process, after so many updates."""
    device = replica.devices[0]
    cuda = device.type == "cuda"
    return Environment(
        after_update=updates,
        s2s=__version__,
        python=platform.python_version(),
        torch=str(torch.__version__),
        device=torch.cuda.get_device_name(device) if cuda else f"cpu ({platform.machine()})",
        devices=replica.world_size * len(replica.devices),
        processes=replica.world_size,
        threads=torch.get_num_threads(),
    )


def course(progress: Progress, schedule: Schedule, finished: str) -> Course:
    """The course of a training; a validation of its end alone counts where it has ended."""
    best, best_update = progress.best, progress.best_update
    if finished:
        best, best_update = progress.best_validation(schedule.config.best_by)
    return Course(
        updates=progress.updates,
        total_updates=schedule.total_updates,
        epochs=round(schedule.epochs(progress.updates), 4),
        skipped=progress.skipped,
        best_update=best_update,
        best_perplexity=best.perplexity,
        best_bleu=best.bleu,
        finished=finished,
    )
