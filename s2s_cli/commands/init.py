"""The command ``s2s init``."""

from pathlib import Path
from typing import Annotated

import typer

from s2s_cli.commands.command import command
from s2s_cli.commands.next_step import NextStep, is_there
from s2s_cli.commands.presets import preset_text
from s2s_cli.commands.settings_file import SETTINGS_FILE
from s2s_cli.console import say
from s2s_cli.destinations import would_be_replaced
from s2s_cli.errors import UserError
from s2s_cli.files import STDIO, replacing
from s2s_cli.model.config import Preset
from s2s_cli.settings import WRITES
from s2s_cli.text.layout import SPLITS


@command
def init_command(
    preset: Annotated[
        Preset,
        typer.Option(
            help="Size of the model: toy for a few thousand short pairs, small for ten thousand "
            "to a million, paper for millions and a GPU."
        ),
    ] = "small",
    output: Annotated[Path, typer.Option(help="File for the settings."), WRITES] = SETTINGS_FILE,
    source_language: Annotated[str, typer.Option(help="Code of the source language.")] = "en",
    target_language: Annotated[str, typer.Option(help="Code of the target language.")] = "fr",
) -> NextStep | None:
    """Write a settings file to start from, with a comment on every setting.

    The other commands read s2s.toml from the current directory. Edit it as you like.

    Examples:
        s2s init
        s2s init --preset toy --source-language de --target-language en
        s2s init --preset paper -o paper.toml
    """
    if output != STDIO and would_be_replaced(output):
        raise UserError(
            f"{output}: exists already and is not overwritten; name another file with --output"
        )
    languages = source_language, target_language
    with replacing(output) as stream:
        stream.write(preset_text(preset, languages).encode())
    if output == STDIO:
        return None
    say(f"wrote {output}; change in it what you like")
    say_missing_text(languages)
    return NextStep("prep", settings=output)


def say_missing_text(languages: tuple[str, str]) -> None:
    """Name the files that the text has to be put into."""
    pairs = [[Path("corpus", f"{split}.{each}") for each in languages] for split in SPLITS]
    missing = [pair for pair in pairs if not all(map(is_there, pair))]
    if missing:
        say("put your text here first, one sentence a line:")
    for source, target in missing:
        say(f"  {source}  {target}")
