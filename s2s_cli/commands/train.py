"""The command ``s2s train``."""

import os
from pathlib import Path
from typing import Annotated

import typer

from s2s_cli.commands.command import command
from s2s_cli.commands.next_step import NextStep
from s2s_cli.errors import UsageError
from s2s_cli.model.config import PANEL, ModelConfig, Shape
from s2s_cli.settings import HARDWARE, WRITES
from s2s_cli.training.config import TrainingConfig


@command
def train_command(
    *,
    data: Annotated[
        Path, typer.Option(help="Directory that `s2s vocab` completed.", rich_help_panel=PANEL)
    ] = Path("data"),
    model: Annotated[
        Path, typer.Option(help="Model directory to write.", rich_help_panel=PANEL), WRITES
    ] = Path("model"),
    shape: ModelConfig,
    config: TrainingConfig,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan",
            help="Print the expected placement, memory and speed, and exit.",
            rich_help_panel=HARDWARE,
        ),
    ] = False,
    json: Annotated[
        bool,
        typer.Option(
            "--json", help="With --plan: print one JSON object.", rich_help_panel=HARDWARE
        ),
    ] = False,
) -> NextStep | None:
    """Train a model. The defaults are the model and the training of the paper.

    The same command resumes a training that was stopped. Ctrl-C (SIGINT), SIGTERM, SIGHUP and
    SIGUSR1 stop it after the current update and save a checkpoint; the exit code is 128 + signal.

    Examples:
        s2s train
        s2s train --layers 2 --optimiser adam --learning-rate 0.001 --epochs 10
        s2s train -m model-2 --seed 2 --max-minutes 60
        s2s train -m attentive --attention general --bidirectional --bridge linear
        s2s train --gpus 8 --plan
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
    config.check()
    if plan:
        from s2s_cli.planning.plan import plan_training
        from s2s_cli.planning.text import plan_json, plan_text

        found = plan_training(data, shape, config)
        typer.echo(plan_json(found) if json else plan_text(found))
        return None
    if json:
        raise UsageError("--json is for --plan, which is not given")
    from s2s_cli.training.board import require_board
    from s2s_cli.training.job import TrainingJob
    from s2s_cli.validation.greedy import open_translator

    require_board(config.tensorboard)
    stopped = TrainingJob(data, model, shape, config, open_translator).start()
    if stopped.signal is not None:
        raise typer.Exit(128 + stopped.signal)
    return NextStep("decode", {"model": [model]}) if stopped.finished else None
