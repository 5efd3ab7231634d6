"""The command ``s2s info``."""

from pathlib import Path
from typing import Annotated

import typer

from s2s_cli.commands.command import command


@command
def info_command(
    directory: Annotated[
        list[Path], typer.Argument(help="Directories of models, of prepared text, or of exports.")
    ] = [Path("model")],  # noqa: B006 - typer's default
    *,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each directory.")
    ] = False,
) -> None:
    """Describe models, prepared text and exports.

    For a model: direction, shape, parameters, vocabularies, how it was trained, and files. The
    settings of its training come last, as a section of s2s.toml.

    Examples:
        s2s info
        s2s info model model-2 --json
        s2s info data
    """
    from s2s_cli.info.directories import info_json, info_text, read_info

    found = [(path, read_info(path)) for path in directory]
    if json:
        print(*(info_json(*each) for each in found), sep="\n")
    else:
        print(*(info_text(*each) for each in found), sep="\n\n")
