"""The command ``s2s train``."""

import os
from pathlib import Path
from typing import Annotated

import typer

from s2s_cli.commands.command import command
from s2s_cli.errors import UsageError
from s2s_cli.model.config import ModelConfig, Shape
from s2s_cli.settings import WRITES
from s2s_cli.training.config import TrainingConfig


@command
def train_command(
    *,
    data: Annotated[Path, typer.Option(help="Directory of `s2s vocab`.")] = Path("data"),
    model: Annotated[Path, typer.Option(help="Model directory to write."), WRITES] = Path("model"),
    shape: ModelConfig,
    config: TrainingConfig,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Print placement, memory and speed to expect, and leave."),
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="With --plan: print it as one JSON object.")
    ] = False,
) -> None:
    """Train the two LSTMs; the defaults are the paper's model and recipe.

    The same command resumes a stopped training. SIGTERM, SIGINT, SIGHUP and SIGUSR1 end it after
    the update with a checkpoint (exit code 128 + signal).
    """
    # Read by torch when it is loaded: kernels are kept for each number of rows of a product, and
    # without a bound they would take a gigabyte.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
    # Likewise: its own account of lost connections, before ours.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    # Likewise: it would leave a folder for compiled kernels in /tmp, of which there are none.
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", os.curdir)
    if mistake := Shape.of(shape, 1, 1).mistake():
        raise UsageError(mistake)
    if plan:
        from s2s_cli.planning.plan import plan_training
        from s2s_cli.planning.text import plan_json, plan_text

        found = plan_training(data, shape, config)
        typer.echo(plan_json(found) if json else plan_text(found))
        return
    if json:
        raise UsageError("--json is for --plan, which is not given")
    from s2s_cli.training.job import TrainingJob

    stopped = TrainingJob(data, model, shape, config).start()
    if stopped.signal is not None:
        raise typer.Exit(128 + stopped.signal)
