"""The application: its subcommands, each imported when it is asked for, and one settings file."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from s2s_cli import __version__
from s2s_cli.commands.command import options_of, path_parser, report_user_errors
from s2s_cli.commands.settings_file import SETTINGS_FILE, Kind, SettingsFile, read_settings

HELP_OPTIONS = ["-h", "--help"]
# The module of each command, in the order in which they are used; the function is NAME_command.
COMMANDS = {
    "init": "init",
    "prep": "prep",
    "vocab": "vocab",
    "train": "train",
    "decode": "decode",
    "rescore": "rescore",
    "score": "score",
    "export": "export",
}
FIGURES = {
    "lengths": "show",
    "rarity": "show",
    "longest": "show",
    "states": "show_models",
    "attention": "show_models",
    "curves": "show_models",
}
SHOW = "show"

app = typer.Typer(
    name="s2s",
    help="Sequence-to-sequence learning with deep LSTMs (Sutskever, Vinyals, Le 2014).\n\n"
    "init → prep → vocab → train → decode, rescore → score, show, chained through files. Settings "
    "come from s2s.toml in the current directory where there is one; flags win over it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": HELP_OPTIONS},
)
app.add_typer(
    typer.Typer(
        help="Figures and tables to look at: pictures with their data, long sentences.\n\n"
        "A picture is .svg or .png, and its data are written beside it under the same name with "
        ".tsv. Pictures need matplotlib: pip install 's2s-cli[plot]'.",
        no_args_is_help=True,
        rich_markup_mode=None,
    ),
    name=SHOW,
    short_help="Figures and tables to look at: pictures with their data, long sentences.",
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
    root = typer.main.get_command(app)
    show = root.commands[SHOW]  # type: ignore[attr-defined]
    show.commands = LazyMapping(list(FIGURES), lambda name: load_command(name, FIGURES[name]))

    def load(name: str) -> Any:
        return show if name == SHOW else load_command(name, COMMANDS[name])

    root.commands = LazyMapping([*COMMANDS, SHOW], load)  # type: ignore[attr-defined]
    return root


def load_command(name: str, module: str) -> Any:
    """Import a command and make it typer's."""
    function = load_function(name, module)
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    alone.command(name, short_help=(function.__doc__ or "").partition("\n")[0])(function)
    return typer.main.get_command(alone)


def load_function(name: str, module: str) -> Callable[..., None]:
    function: Callable[..., None] = getattr(
        import_module(f"s2s_cli.commands.{module}"), f"{name}_command"
    )
    return function


def known_options() -> Mapping[str, Mapping[str, Kind]]:
    """The kind of every option of every subcommand, by its section and key in the settings file."""
    figures = {f"{SHOW}.{name}": module for name, module in FIGURES.items()}
    modules = {**COMMANDS, **figures}
    return LazyMapping(
        list(modules),
        lambda section: options_of(load_function(section.rpartition(".")[2], modules[section])),
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
            help="Settings file [default: s2s.toml, where there is one]",
        ),
    ] = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=show_version, is_eager=True, help="Print the version and leave."
        ),
    ] = False,
) -> None:
    """Read the settings file before the subcommand's own options are parsed."""
    path = config or SETTINGS_FILE
    if config is None and not path.is_file():
        return
    try:
        with report_user_errors():
            context.default_map = read_settings(path, known_options())
            context.obj = SettingsFile(path, named=config is not None)
    except SystemExit:
        # Help has to be had above all where a setting is wrong.
        if not set(HELP_OPTIONS) & set(sys.argv):
            raise
