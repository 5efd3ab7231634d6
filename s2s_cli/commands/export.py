"""The command ``s2s export``: a model for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from s2s_cli.commands.command import AlsoOption, command
from s2s_cli.commands.options import MODEL_HELP
from s2s_cli.console import say
from s2s_cli.errors import UsageError
from s2s_cli.settings import WRITES


@command
def export_command(
    model: Annotated[Path, typer.Argument(help=MODEL_HELP), AlsoOption()] = Path("model"),
    onnx: Annotated[
        Path | None, typer.Option(help="Directory for the model as ONNX, the only format."), WRITES
    ] = None,
) -> None:
    """Write a model for programs that have no PyTorch, as ONNX.

    encoder.onnx reads a batch of sources, and decoder_step.onnx one target word at a time.
    export.json names what goes in and comes out; the vocabularies lie beside it.
    """
    if onnx is None:
        raise UsageError("ONNX is the only format: add --onnx DIRECTORY")
    from s2s_cli.model import onnx_export

    written = onnx_export.export(model, onnx)
    say(f"wrote {', '.join(map(str, written))}")
