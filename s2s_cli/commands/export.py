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
        Path | None, typer.Option(help="Directory to write (required)."), WRITES
    ] = None,
) -> None:
    """Write a model in the ONNX format, for programs without PyTorch.

    encoder.onnx reads a batch of sources, and decoder_step.onnx one target word at a time.
    export.json describes inputs and outputs. The vocabularies are copied, too.

    Examples:
        s2s export --onnx exported
        s2s export model/last.pt --onnx exported
    """
    if onnx is None:
        raise UsageError("export needs a directory to write: --onnx DIRECTORY")
    from s2s_cli.model import onnx_export

    written = onnx_export.export(model, onnx)
    say(f"wrote {', '.join(map(str, written))}")
