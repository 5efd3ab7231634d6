"""The settings of training; the defaults are the paper's (§3.4)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from s2s_cli.distributed.config import Layout
from s2s_cli.errors import UsageError
from s2s_cli.model.config import TrainingPrecision
from s2s_cli.settings import HARDWARE, MANY, MOST_GPUS, MOST_THREADS, WRITES, setting

OptimiserKind = Literal["sgd", "adam"]
BestBy = Literal["perplexity", "bleu"]

UPDATE = "Optimisation"
LIMITS = "Stopping"
RUN = "Validation, saving and logging"


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of a training. Intervals are counted in updates, positions in epochs."""

    epochs: float = setting(7.5, "Passes over the corpus.", min=0, max=1_000_000, panel=UPDATE)
    batch_size: int = setting(
        128,
        "Sentence pairs in a batch. The gradient is their sum divided by this number.",
        min=1,
        max=1_000_000,
        panel=UPDATE,
    )
    optimiser: OptimiserKind = setting(
        "sgd",
        "SGD without momentum, as in the paper, or Adam.",
        panel=UPDATE,
    )
    learning_rate: float = setting(0.7, "Initial learning rate.", min=0, max=1000, panel=UPDATE)
    halve_after: float = setting(
        5.0, "Epochs before the learning rate is first halved.", min=0, max=1_000_000, panel=UPDATE
    )
    halve_every: float = setting(
        0.5,
        "Epochs between halvings. 0: never halve.",
        min=0,
        max=1_000_000,
        panel=UPDATE,
    )
    clip_norm: float = setting(
        5.0,
        "Scale the gradient down to this L2 norm if it is larger. 0: do not.",
        min=0,
        max=1_000_000,
        panel=UPDATE,
    )
    dropout: float = setting(
        0.0, "Dropout before, between and after the layers.", min=0, max=0.99, panel=UPDATE
    )
    initial_range: float = setting(
        0.08,
        "Draw the initial weights uniformly from [-X, X].",
        min=0.000001,
        max=100,
        panel=UPDATE,
    )
    seed: int = setting(
        1, "Seed of the initial weights and the order of batches.", min=0, max=MANY, panel=UPDATE
    )
    max_updates: int = setting(
        0, "Stop after this many updates. 0: no limit.", min=0, max=MANY, panel=LIMITS
    )
    max_minutes: float = setting(
        0.0,
        "Stop after this many minutes; the same command resumes. 0: no limit.",
        min=0,
        max=10_000_000,
        panel=LIMITS,
    )
    patience: int = setting(
        0,
        "Stop after this many validations that are no better (--best-by). 0: never.",
        min=0,
        max=MANY,
        panel=LIMITS,
    )
    validate_every: int = setting(
        0, "Updates between validations. 0: every half epoch.", min=0, max=MANY, panel=RUN
    )
    validate_bleu: int = setting(
        0,
        "Validation sentences to translate for BLEU, 100 or more. 0: none.",
        min=0,
        max=MANY,
        panel=RUN,
    )
    best_by: BestBy = setting(
        "perplexity",
        "What makes weights the best, for --patience too. bleu needs --validate-bleu.",
        panel=RUN,
    )
    tensorboard: Path | None = setting(
        None,
        "Write metrics and samples for TensorBoard into this directory (an extra).",
        panel=RUN,
        writes=WRITES,
    )
    samples: int = setting(
        2,
        "Validation sentences shown with their translation at each validation. 0: none.",
        min=0,
        max=100,
        panel=RUN,
    )
    save_every: int = setting(
        0,
        "Updates between checkpoints. 0: 1000, and at each validation.",
        min=0,
        max=MANY,
        panel=RUN,
    )
    keep: int = setting(
        0,
        "Keep the weights of this many last validations, for `s2s average`. 0: none.",
        min=0,
        max=10_000,
        panel=RUN,
    )
    log_every: int = setting(50, "Updates between log lines.", min=1, max=MANY, panel=RUN)
    precision: TrainingPrecision = setting(
        "fp32",
        "bf16: multiply in bfloat16; weights, sums and loss stay fp32. tf32: multiply in "
        "TensorFloat-32, on GPUs.",
        panel=HARDWARE,
    )
    threads: int = setting(0, "CPU threads. 0: all cores.", min=0, max=MOST_THREADS, panel=HARDWARE)
    measure: bool = setting(
        False,
        "Print at the end which share of the peak FLOP/s was used.",
        panel=HARDWARE,
    )
    device: str = setting(
        "auto", "cpu, cuda, or cuda:1 and so on. auto: a GPU if there is one.", panel=HARDWARE
    )
    gpus: int = setting(
        1,
        "Number of GPUs.",
        min=1,
        max=MOST_GPUS,
        panel=HARDWARE,
    )
    layout: Layout = setting(
        "model",
        "On several GPUs: spread one model over all (model), or train a copy on each (data).",
        panel=HARDWARE,
    )
    rank_timeout: float = setting(
        30.0,
        "Minutes to wait for a process that does not answer.",
        min=0.01,
        max=100_000,
        panel=HARDWARE,
    )

    def check(self) -> None:
        """Refuse settings that exclude each other.

        Raises:
            UsageError: names the option to add.
        """
        if self.best_by == "bleu" and not self.validate_bleu:
            raise UsageError("--best-by bleu needs --validate-bleu; add --validate-bleu 100")


# Changing one of these continues the same training; changing any other is another training. The
# number of sentences for BLEU may change where nothing depends on it (`progress.Identity`).
MAY_CHANGE = frozenset(
    {
        "epochs",
        "max_updates",
        "max_minutes",
        "patience",
        "validate_every",
        "samples",
        "tensorboard",
        "save_every",
        "keep",
        "log_every",
        "threads",
        "device",
        "gpus",
        "layout",
        "rank_timeout",
        "measure",
    }
)
