"""The application: its subcommands, each imported when it is asked for, and one settings file."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from s2s_cli import __version__
from s2s_cli.commands.command import (
    CONFIG_HELP,
    QuietOption,
    options_of,
    path_parser,
    report_user_errors,
)
from s2s_cli.commands.parsing import CommandGroup, Listed, Subcommand
from s2s_cli.commands.settings_file import SETTINGS_FILE, Kind, SettingsSource
from s2s_cli.console import be_quiet

PREPARE = "Prepare and train, in this order"
USE = "Translate and score"
LOOK = "Inspect and export"
# The commands in the order in which they are used; the function is NAME_command.
COMMANDS = {
    "init": Listed(PREPARE, "init", "Write settings to start from, s2s.toml."),
    "prep": Listed(PREPARE, "prep", "Tokenise parallel text, drop unsuitable pairs."),
    "vocab": Listed(PREPARE, "vocab", "Choose the vocabularies, write the text as numbers."),
    "train": Listed(PREPARE, "train", "Train a model, or resume a training."),
    "average": Listed(PREPARE, "average", "Average the weights of several checkpoints."),
    "decode": Listed(USE, "decode", "Translate text with beam search."),
    "rescore": Listed(USE, "rescore", "Rescore n-best lists, of any translation system."),
    "score": Listed(USE, "score", "Score translations: BLEU, chrF, perplexity."),
    "export": Listed(LOOK, "export", "Write a model as ONNX, for programs without PyTorch."),
    "info": Listed(LOOK, "info", "Describe a model and its training, or prepared text."),
}
FIGURES = {
    "lengths": Listed("Of translations", "show", "BLEU by the length of the source sentence."),
    "rarity": Listed("Of translations", "show", "BLEU by how rare the source words are."),
    "longest": Listed("Of translations", "show", "The longest sentences with translations."),
    "states": Listed("Of models", "show_models", "Where the encoder puts phrases."),
    "attention": Listed("Of models", "show_models", "Source words looked at for each word."),
    "beam": Listed("Of models", "show_beam", "The beam search of one sentence."),
    "curves": Listed("Of models", "show_models", "Learning curves: perplexity by epoch."),
    "report": Listed("Of an experiment", "show_report", "All of it in one HTML page."),
}
SHOW = "show"
GROUPS = {SHOW: Listed(LOOK, "", "Draw figures and tables.")}
SESSION = """
A session, with parallel text in corpus/{train,valid,test}.{en,fr}:
  s2s init
  s2s prep
  s2s vocab
  s2s train
  s2s decode corpus/test.en -o out.fr
  s2s score corpus/test.fr out.fr

`s2s help COMMAND` describes a command, with examples. A command reads its
settings from s2s.toml in the current directory, if there is one; options on the
command line come first.
"""

app = typer.Typer(
    name="s2s",
    cls=CommandGroup,
    help="Sequence-to-sequence learning with deep LSTMs (Sutskever, Vinyals, Le 2014).",
    epilog=SESSION,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(
    typer.Typer(
        cls=CommandGroup,
        help="Figures and tables to look at: pictures with their data, long sentences.\n\n"
        "A picture is .svg, .png or .pdf, and its data are written beside it under the same name "
        "with .tsv. Pictures need matplotlib, the extra `plot`.",
        no_args_is_help=True,
        rich_markup_mode=None,
    ),
    name=SHOW,
    short_help=GROUPS[SHOW].summary,
)

Value = TypeVar("Value")


class LazyMapping(Mapping[str, Value]):
    """A mapping of known keys whose values are made when they are asked for."""

    def __init__(self, keys: list[str], make: Callable[[str], Value]) -> None:
        self._keys, self._make = dict.fromkeys(keys), make

    def __getitem__(self, key: str) -> Value:
        if key not in self._keys:
            raise KeyError(key)
        return self._make(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def run_app() -> NoReturn:
    """Run ``s2s`` with the arguments of the process."""
    open_missing_streams()
    with report_user_errors():
        root_command()(prog_name="s2s")
    raise SystemExit(0)


def open_missing_streams() -> None:
    """Open an empty stream in place of each standard stream that the caller closed.

    Python has None for it, and the next file to be opened would take its place.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115


def root_command() -> Any:
    """The application as typer's group of commands, none of which is imported yet."""
    root: Any = typer.main.get_command(app)
    show = root.commands[SHOW]
    show.listed = FIGURES
    show.commands = LazyMapping(list(FIGURES), lambda name: load_command(name, FIGURES[name]))

    def load(name: str) -> Any:
        return show if name == SHOW else load_command(name, COMMANDS[name])

    root.listed = COMMANDS | GROUPS
    root.commands = LazyMapping(list(root.listed), load)
    return root


def load_command(name: str, listed: Listed) -> Any:
    """Import a command and make it typer's."""
    function = load_function(name, listed.module)
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    alone.command(name, cls=Subcommand, short_help=listed.summary)(function)
    command: Any = typer.main.get_command(alone)
    command.kinds = options_of(function)
    return command


def load_function(name: str, module: str) -> Callable[..., None]:
    function: Callable[..., None] = getattr(
        import_module(f"s2s_cli.commands.{module}"), f"{name}_command"
    )
    return function


def known_options() -> Mapping[str, Mapping[str, Kind]]:
    """The kind of every option of every subcommand, by its section and key in the settings file."""
    figures = {f"{SHOW}.{name}": listed for name, listed in FIGURES.items()}
    every = {**COMMANDS, **figures}
    return LazyMapping(
        list(every),
        lambda section: options_of(
            load_function(section.rpartition(".")[2], every[section].module)
        ),
    )


def show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"s2s {__version__}")
        raise SystemExit(0)


@app.callback()
def settings_callback(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            parser=path_parser("--config"),
            help=CONFIG_HELP,
        ),
    ] = None,
    quiet: QuietOption = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Note which settings file the subcommand is to read, before its own options are parsed."""
    if quiet:
        be_quiet()
    context.obj = SettingsSource(config, known_options(), SETTINGS_FILE)
