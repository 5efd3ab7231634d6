"""Replicas of a model, each on a device and in a process of its own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch

from s2s_cli.inference.codec import TextCodec
from s2s_cli.inference.ensemble import load_scorer
from s2s_cli.inference.scorer import Scorer
from s2s_cli.model.config import Precision
from s2s_cli.model.description import Description, model_directory
from s2s_cli.model.device import set_threads
from s2s_cli.model.parts import BatchParts
from s2s_cli.model.work import share_of_peak
from s2s_cli.parallel import Workers, available_cores, worker_processes
from s2s_cli.settings import MOST_THREADS


@dataclass(frozen=True)
class LoadedModel:
    """A model or ensemble as a worker has it.

    Attributes:
        scorer: of the model or ensemble.
        codec: of its text.
        parts: in which the worker's batches are computed where memory runs out.
    """

    scorer: Scorer
    codec: TextCodec
    parts: BatchParts = field(default_factory=BatchParts)

    @classmethod
    def of(
        cls, models: Sequence[Path], device: torch.device, precision: Precision, *, tokenised: bool
    ) -> "LoadedModel":
        """Load ``models`` on ``device``; arguments are those of `Replicas`.

        Raises:
            UserError: as `load_scorer`.
        """
        scorer, description = load_scorer(models, device, precision)
        return cls(scorer, TextCodec(description, tokenised=tokenised))


@dataclass(frozen=True)
class Replicas:
    """The model that every worker loads, and where.

    Attributes:
        models: a model, or the members of an ensemble (`load_scorer`).
        devices: one for each worker.
        precision: of products.
        tokenised: the words of the text stand between spaces.
        threads: CPU threads of each worker; 0: all cores, shared evenly.
    """

    models: tuple[Path, ...]
    devices: tuple[torch.device, ...]
    precision: Precision
    tokenised: bool
    threads: int

    @contextmanager
    def workers(self) -> Iterator[Workers[LoadedModel]]:
        """Start a process for each device, its replica loaded; for one device, use this process.

        Raises:
            UserError: as `load_scorer`.
        """
        with worker_processes(len(self.devices), self.load, "--gpus") as workers:
            workers.wait()
            yield workers

    def load(self, number: int) -> LoadedModel:
        """Load the replica of worker ``number``."""
        device = self.devices[number]
        set_threads(self.threads_each)
        if device.index is not None and device.type == "cuda":
            torch.cuda.set_device(device)  # nothing of this process goes to the first GPU
        return LoadedModel.of(self.models, device, self.precision, tokenised=self.tokenised)

    @cached_property
    def codec(self) -> TextCodec:
        """Codec of the text, known without a loaded replica."""
        description = Description.read(model_directory(self.models[0]))
        return TextCodec(description, tokenised=self.tokenised)

    @property
    def threads_each(self) -> int:
        """CPU threads of a worker; 0 leaves torch's choice."""
        workers = len(self.devices)
        if self.threads or workers == 1:
            return self.threads
        return max(1, available_cores() // workers)

    def share_of_peak(self, flops: int, seconds: float) -> str:
        """Describe which share of the devices' arithmetic ``flops`` in so many seconds are."""
        set_threads(min(self.threads * len(self.devices), MOST_THREADS))
        return share_of_peak(flops, seconds, self.devices, self.precision)
