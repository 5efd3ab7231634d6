"""The command ``s2s average``."""

from pathlib import Path
from typing import Annotated

import typer

from s2s_cli.commands.command import command
from s2s_cli.commands.next_step import NextStep
from s2s_cli.console import say
from s2s_cli.errors import UsageError
from s2s_cli.settings import WRITES


@command
def average_command(
    model: Annotated[
        list[Path],
        typer.Argument(help="Files of weights, or model directories with kept weights."),
    ] = [Path("model")],  # noqa: B006 - typer's default
    *,
    number: Annotated[
        int,
        typer.Option(
            "--number",
            "-n",
            min=0,
            max=10_000,
            help="Average only this many of the last weights that a directory keeps. 0: all.",
        ),
    ] = 0,
    output: Annotated[
        Path | None, typer.Option(help="Model directory to write (required)."), WRITES
    ] = None,
) -> NextStep:
    """Write a model whose weights are the mean of several checkpoints of one training.

    `--keep 5` of `s2s train` keeps the weights of the last five validations, as update-N.pt in the
    model directory. All checkpoints must have the same shape and vocabularies.

    Examples:
      s2s train --keep 5
      s2s average model -n 5 -o model-average
      s2s average model/update-900.pt model/last.pt -o model-average
    """
    if output is None:
        raise UsageError("say where to write the average: add --output DIRECTORY")
    from s2s_cli.training.averaging import average_weights

    files = average_weights(model, number, output)
    say(f"wrote {output}, the average of {', '.join(map(str, files))}")
    return NextStep("decode", {"model": [output]})
