"""The command ``s2s info``."""

from pathlib import Path
from typing import Annotated

import typer

from s2s_cli.commands.command import command


@command
def info_command(
    directory: Annotated[
        list[Path], typer.Argument(help="Model directories, or data or export directories.")
    ] = [Path("model")],  # noqa: B006 - typer's default
    *,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Print what is known of models, prepared text and exports.

    Of a model: direction, shape, parameters, vocabularies, how it was trained, files. The settings
    of its training come last, as a section of s2s.toml.
    """
    from s2s_cli.info.directories import info_json, info_text, read_info

    found = [(path, read_info(path)) for path in directory]
    if json:
        print(*(info_json(*each) for each in found), sep="\n")
    else:
        print(*(info_text(*each) for each in found), sep="\n\n")
