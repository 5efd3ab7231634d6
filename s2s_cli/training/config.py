"""The settings of training; the defaults are the paper's (§3.4)."""

from dataclasses import dataclass
from typing import Literal

from s2s_cli.distributed.config import Layout
from s2s_cli.model.config import Precision
from s2s_cli.settings import MANY, MOST_GPUS, MOST_THREADS, setting

OptimiserKind = Literal["sgd", "adam"]

UPDATE = "Update"
RUN = "Run"
DEVICES = "Devices"


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of a training. Intervals are counted in updates, positions in epochs."""

    epochs: float = setting(7.5, "Passes over the corpus.", min=0, max=1_000_000, panel=UPDATE)
    batch_size: int = setting(
        128,
        "Sentence pairs a batch; the gradient is their sum divided by this.",
        min=1,
        max=1_000_000,
        panel=UPDATE,
    )
    optimiser: OptimiserKind = setting(
        "sgd",
        "SGD without momentum, as in the paper, or Adam.",
        panel=UPDATE,
    )
    learning_rate: float = setting(
        0.7, "Learning rate at the start.", min=0, max=1000, panel=UPDATE
    )
    halve_after: float = setting(
        5.0, "Epochs before the learning rate is first halved.", min=0, max=1_000_000, panel=UPDATE
    )
    halve_every: float = setting(
        0.5,
        "Epochs between halvings; 0 leaves the rate as it is.",
        min=0,
        max=1_000_000,
        panel=UPDATE,
    )
    clip_norm: float = setting(
        5.0, "Largest L2 norm of the gradient; 0 does not clip.", min=0, max=1_000_000, panel=UPDATE
    )
    dropout: float = setting(
        0.0, "Dropout into, between and out of the layers.", min=0, max=0.99, panel=UPDATE
    )
    initial_range: float = setting(
        0.08, "Weights start in [-x, x].", min=0.000001, max=100, panel=UPDATE
    )
    seed: int = setting(
        1, "Decides initial weights and the order of batches.", min=0, max=MANY, panel=UPDATE
    )
    max_updates: int = setting(
        0, "Stop after so many updates; 0: no limit.", min=0, max=MANY, panel=RUN
    )
    max_minutes: float = setting(
        0.0, "Stop after so many minutes, resumable; 0: no limit.", min=0, max=10_000_000, panel=RUN
    )
    patience: int = setting(
        0,
        "Stop after so many validations without a better perplexity; 0: never.",
        min=0,
        max=MANY,
        panel=RUN,
    )
    validate_every: int = setting(
        0, "Updates between validations; 0: every half epoch.", min=0, max=MANY, panel=RUN
    )
    save_every: int = setting(
        0,
        "Updates between checkpoints; 0: 1000, and at validations.",
        min=0,
        max=MANY,
        panel=RUN,
    )
    log_every: int = setting(50, "Updates between log lines.", min=1, max=MANY, panel=RUN)
    precision: Precision = setting(
        "fp32", "bf16: products in bfloat16; weights, sums and loss stay fp32.", panel=RUN
    )
    threads: int = setting(0, "CPU threads; 0: all cores.", min=0, max=MOST_THREADS, panel=RUN)
    measure: bool = setting(
        False,
        "Say at the end which share of the machine's arithmetic was used.",
        panel=RUN,
    )
    device: str = setting("auto", "cpu, cuda, cuda:1; auto: a GPU if there is one.", panel=DEVICES)
    gpus: int = setting(
        1,
        "GPUs to train on.",
        min=1,
        max=MOST_GPUS,
        panel=DEVICES,
    )
    layout: Layout = setting(
        "model",
        "On several GPUs: one model over all, or a copy on each.",
        panel=DEVICES,
    )
    rank_timeout: float = setting(
        30.0,
        "Minutes to wait for a process that does not answer.",
        min=0.01,
        max=100_000,
        panel=DEVICES,
    )


# Changing one of these continues the same training; changing any other is another training.
MAY_CHANGE = frozenset(
    {
        "epochs",
        "max_updates",
        "max_minutes",
        "patience",
        "validate_every",
        "save_every",
        "log_every",
        "threads",
        "device",
        "gpus",
        "layout",
        "rank_timeout",
        "measure",
    }
)
