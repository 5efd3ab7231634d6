"""The command ``s2s init``."""

from pathlib import Path
from typing import Annotated

import typer

from s2s_cli.commands.command import command
from s2s_cli.commands.presets import preset_text
from s2s_cli.console import say
from s2s_cli.destinations import would_be_replaced
from s2s_cli.errors import UserError
from s2s_cli.files import STDIO, existing, replacing
from s2s_cli.model.config import Preset
from s2s_cli.settings import WRITES
from s2s_cli.text.layout import SPLITS


@command
def init_command(
    preset: Annotated[
        Preset,
        typer.Option(
            help="Size of the model: toy for some thousand short pairs, small for ten thousand to "
            "a million, paper for millions and a GPU."
        ),
    ] = "small",
    output: Annotated[Path, typer.Option(help="The settings file; -: stdout."), WRITES] = Path(
        "s2s.toml"
    ),
    source_language: Annotated[str, typer.Option(help="Code of the source language.")] = "en",
    target_language: Annotated[str, typer.Option(help="Code of the target language.")] = "fr",
) -> None:
    """Write a settings file to start from, with a comment on every setting.

    The other commands read s2s.toml from the current directory. Change in it what you like.
    """
    if output != STDIO and would_be_replaced(output):
        raise UserError(f"{output}: is there already and stays; name another file with --output")
    languages = source_language, target_language
    with replacing(output) as stream:
        stream.write(preset_text(preset, languages).encode())
    if output != STDIO:
        say(f"{output}: written; change in it what you like")
    texts = [Path("corpus", f"{split}.{each}") for split in SPLITS for each in languages]
    if missing := [str(each) for each in texts if not has_text(each)]:
        say(f"next: put your text here, one sentence a line: {' '.join(missing)}")
        say("then: s2s prep, s2s vocab, s2s train")
    else:
        say("next: s2s prep, s2s vocab, s2s train")


def has_text(path: Path) -> bool:
    """Check for a text, compressed or not."""
    try:
        existing(path)
    except UserError:
        return False
    return True
