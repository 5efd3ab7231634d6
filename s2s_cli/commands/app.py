"""The application: its subcommands, one settings file, errors in one sentence."""

import dataclasses
import functools
import inspect
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn, get_type_hints

import typer

from s2s_cli import __version__
from s2s_cli.commands.settings_file import Kind, as_key, dump_settings, read_settings
from s2s_cli.errors import UserError, as_user_error

SETTINGS_FILE = Path("s2s.toml")
CONTEXT = "context"
DUMP_CONFIG = "dump_config"
HELP_OPTIONS = ["-h", "--help"]
BROKEN_PIPE = 141

app = typer.Typer(
    name="s2s",
    help="Sequence-to-sequence learning with deep LSTMs (Sutskever, Vinyals, Le 2014).\n\n"
    "prep → vocab → train → decode, rescore → score, show, chained through files. Settings come "
    "from s2s.toml in the current directory where there is one; flags win over it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": HELP_OPTIONS},
)

# By the section that stands for them in the settings file; "" is the application.
groups: dict[str, typer.Typer] = {"": app}


def main() -> NoReturn:
    """Entry point of the ``s2s`` command."""
    open_missing_streams()
    with told_in_one_sentence():
        import s2s_cli.commands.verbs  # noqa: F401 - registers the subcommands

        app(prog_name="s2s")
    raise SystemExit(0)


def open_missing_streams() -> None:
    """Where the caller closed a standard stream, put an empty one.

    Python has None for it, and the next file to be opened would take its place.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115


def show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"s2s {__version__}")
        raise SystemExit(0)


@app.callback()
def settings_callback(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Settings file [default: s2s.toml, where there is one]"),
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
        with told_in_one_sentence():
            context.default_map = read_settings(path, known_options())
    except SystemExit:
        # Help has to be had above all where a setting is wrong.
        if not set(HELP_OPTIONS) & set(sys.argv):
            raise


def command_group(name: str, help: str) -> None:
    """Make ``s2s NAME``, which holds commands of its own (`command`)."""
    groups[name] = typer.Typer(help=help, no_args_is_help=True, rich_markup_mode=None)
    app.add_typer(groups[name], name=name, short_help=help.partition("\n")[0])


def command(name: str, group: str = "") -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as ``s2s NAME``, or as ``s2s GROUP NAME``.

    Parameters whose type is a dataclass of settings (`s2s_cli.settings.setting`) are spread into
    one option per field. ``--dump-config`` is added to every command.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        summary = (function.__doc__ or "").partition("\n")[0]
        section = f"{group}.{name}" if group else name
        groups[group].command(name, short_help=summary)(spread(function, section))
        return function

    return register


def spread(function: Callable[..., None], name: str) -> Callable[..., None]:
    """``function`` with its dataclass parameters spread into plain options."""
    hints = get_type_hints(function, include_extras=True)
    own = inspect.signature(function).parameters
    groups = {key: hints[key] for key in own if dataclasses.is_dataclass(hints[key])}

    @functools.wraps(function)
    def run(context: typer.Context, **values: Any) -> None:
        with told_in_one_sentence():
            if values.pop(DUMP_CONFIG):
                sys.stdout.write(dump_settings(name, values))
            else:
                refuse_infinity(values)
                function(**gathered(groups, values))
            sys.stdout.flush()

    parameters = [keyword(CONTEXT, typer.Context)]
    for key, parameter in own.items():
        if key in groups:
            parameters += [option(groups[key], field) for field in dataclasses.fields(groups[key])]
        else:
            parameters.append(keyword(key, hints[key], parameter.default))
    dump = typer.Option("--dump-config", help="Print the resolved settings and leave.")
    parameters.append(keyword(DUMP_CONFIG, Annotated[bool, dump], False))
    for each in parameters[1:]:
        polish(each)
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def refuse_infinity(values: dict[str, Any]) -> None:
    """No option means anything at infinity, though bounds may let it pass."""
    for name, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"--{as_key(name)} {value}: must be a finite number", exit_code=2)


def gathered(groups: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """``values`` with those of each group put back into one dataclass."""
    arguments = dict(values)
    for key, group in groups.items():
        names = [field.name for field in dataclasses.fields(group)]
        arguments[key] = group(**{name: arguments.pop(name) for name in names})
    return arguments


def option(group: Any, field: "dataclasses.Field[Any]") -> inspect.Parameter:
    """The command-line option of one settings field."""
    meta = field.metadata
    info = typer.Option(
        help=meta["help"], min=meta["min"], max=meta["max"], rich_help_panel=meta["panel"]
    )
    annotation = get_type_hints(group)[field.name]
    return keyword(field.name, Annotated[annotation, info], field.default)


def keyword(
    name: str, annotation: Any, default: Any = inspect.Parameter.empty
) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


def polish(parameter: inspect.Parameter) -> None:
    """Short placeholders in ``--help``, and no word of a flag's default where it is off."""
    kind = Kind.of(parameter.annotation)
    (info,) = parameter.annotation.__metadata__
    if kind.type is bool:
        info.show_default = parameter.default is not False
    else:
        is_argument = isinstance(info, typer.models.ArgumentInfo)
        info.metavar = parameter.name.upper() if is_argument else kind.placeholder


@contextmanager
def told_in_one_sentence() -> Iterator[None]:
    """Turn the user's errors into one sentence on stderr and an exit code."""
    try:
        yield
    except BrokenPipeError:
        drop_output()
        raise SystemExit(BROKEN_PIPE) from None
    except KeyboardInterrupt:
        fail("interrupted", 130)
    except Exception as error:
        told = as_user_error(error)
        if told is None:
            raise
        fail(str(told), told.exit_code)


def fail(message: str, code: int) -> NoReturn:
    print(f"s2s: {message}", file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:
        drop_output()
    raise SystemExit(code)


def drop_output() -> None:
    """Send what is still buffered for stdout nowhere; Python would try again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def known_options() -> dict[str, dict[str, Kind]]:
    """The kind of every option of every subcommand, by its section and key in the settings file."""
    return {
        f"{group}.{each.name}" if group else str(each.name): {
            as_key(name): Kind.of(annotation)
            for name, annotation in getattr(each.callback, "__annotations__", {}).items()
            if name not in (CONTEXT, DUMP_CONFIG)
        }
        for group, holder in groups.items()
        for each in holder.registered_commands
    }
