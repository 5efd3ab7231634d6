"""``s2s train``."""

import os
from pathlib import Path
from typing import Annotated

import typer

from s2s_cli.commands.app import command
from s2s_cli.model.config import ModelConfig
from s2s_cli.training.config import TrainingConfig


@command("train")
def train(
    *,
    data: Annotated[Path, typer.Option(help="Directory that `s2s vocab` filled.")] = Path("data"),
    model: Annotated[Path, typer.Option(help="Model directory to write.")] = Path("model"),
    shape: ModelConfig,
    config: TrainingConfig,
) -> None:
    """Train the two LSTMs; the defaults are the paper's model and recipe.

    The same command resumes a training that was stopped. SIGTERM, SIGINT and SIGUSR1 end it after
    the present update with a checkpoint (exit code 128 + signal).
    """
    # Read by torch when it is loaded: kernels are kept for each number of rows of a product, and
    # without a bound they would take a gigabyte.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
    from s2s_cli.model.device import choose_device, keep_memory, set_threads
    from s2s_cli.training.loop import train as run

    set_threads(config.threads)
    keep_memory()
    stopped = run(data, model, shape, config, choose_device(config.device))
    if stopped.signal is not None:
        raise typer.Exit(128 + stopped.signal)
