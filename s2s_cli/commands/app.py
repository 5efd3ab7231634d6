"""The application: six subcommands, one settings file, errors in one sentence."""

import dataclasses
import difflib
import functools
import inspect
import os
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn, get_type_hints

import typer

from s2s_cli import __version__
from s2s_cli.errors import UserError

SETTINGS_FILE = Path("s2s.toml")
DUMP_CONFIG = "dump_config"

app = typer.Typer(
    name="s2s",
    help="Sequence-to-sequence learning with deep LSTMs (Sutskever, Vinyals, Le 2014).\n\n"
    "prep → vocab → train → decode, rescore → score, chained through files. Settings come from "
    "s2s.toml in the current directory where there is one; flags win over it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> NoReturn:
    """Entry point of the ``s2s`` command."""
    import s2s_cli.commands.verbs  # noqa: F401 - registers the subcommands

    app()
    raise SystemExit(0)


@app.callback()
def settings_callback(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="Settings file [default: s2s.toml, where there is one]")
    ] = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Read the settings file before the subcommand's own options are parsed."""
    if version:
        print(f"s2s {__version__}")
        raise typer.Exit
    path = config or SETTINGS_FILE
    if config is None and not path.is_file():
        return
    with told_in_one_sentence():
        context.default_map = read_settings(path, known_options(context))


def command(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as ``s2s NAME``.

    Parameters whose type is a dataclass of settings (`s2s_cli.settings.setting`) are spread into
    one option per field. ``--dump-config`` is added to every command.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        app.command(name)(spread(function, name))
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
                return
            for key, group in groups.items():
                fields = {field.name: values.pop(field.name) for field in dataclasses.fields(group)}
                values[key] = group(**fields)
            function(**values)
            sys.stdout.flush()

    parameters = [
        inspect.Parameter(
            "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
        )
    ]
    for key, parameter in own.items():
        if key in groups:
            parameters += [option(groups[key], field) for field in dataclasses.fields(groups[key])]
        else:
            parameters.append(
                parameter.replace(annotation=hints[key], kind=inspect.Parameter.KEYWORD_ONLY)
            )
    parameters.append(
        keyword(
            DUMP_CONFIG,
            bool,
            False,
            typer.Option("--dump-config", help="Print the resolved settings and leave."),
        )
    )
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def option(group: Any, field: "dataclasses.Field[Any]") -> inspect.Parameter:
    """The command-line option of one settings field."""
    meta = field.metadata
    info = typer.Option(
        help=meta["help"], min=meta["min"], max=meta["max"], rich_help_panel=meta["panel"]
    )
    return keyword(field.name, get_type_hints(group)[field.name], field.default, info)


def keyword(name: str, annotation: Any, default: Any, info: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[annotation, info],
    )


class told_in_one_sentence:
    """Turn the user's errors into one sentence on stderr and an exit code."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        match error:
            case UserError():
                fail(str(error), error.exit_code)
            case BrokenPipeError():
                # Whoever read our output has left; what is still buffered has no reader.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise typer.Exit(141)
            case KeyboardInterrupt():
                fail("interrupted", 130)
            case OSError() if error.strerror:
                where = f"{error.filename}: " if error.filename else ""
                fail(f"{where}{error.strerror.lower()}", 1)


def fail(message: str, code: int) -> NoReturn:
    print(f"s2s: {message}", file=sys.stderr)
    raise typer.Exit(code)


def known_options(context: typer.Context) -> dict[str, dict[str, Any]]:
    """The parameters of every subcommand by name."""
    commands: dict[str, Any] = getattr(context.command, "commands", {})
    return {
        name: {each.name: each for each in sub.params if each.name not in (DUMP_CONFIG, "help")}
        for name, sub in commands.items()
    }


def read_settings(path: Path, known: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The settings file as defaults of each subcommand.

    Raises:
        UserError: missing file, invalid TOML, unknown command or key, value of the wrong type.
    """
    try:
        document = tomllib.loads(path.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such settings file", exit_code=2) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid TOML: {error}", exit_code=2) from None
    defaults: dict[str, dict[str, Any]] = {}
    for section, values in document.items():
        reject_unknown(path, section, known, "section")
        if not isinstance(values, dict):
            raise UserError(f"{path}: write settings under [{section}]", exit_code=2)
        defaults[section] = {}
        for key, value in values.items():
            reject_unknown(
                path, key, {option_name(n): 0 for n in known[section]}, f"key in [{section}]"
            )
            parameter = key.replace("-", "_")
            check_type(path, section, key, value, known[section][parameter])
            defaults[section][parameter] = value
    return defaults


def reject_unknown(path: Path, name: str, known: dict[str, Any], what: str) -> None:
    if name in known:
        return
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(sorted(known))}"
    raise UserError(f"{path}: unknown {what}: {name!r}; {hint}", exit_code=2)


def check_type(path: Path, section: str, key: str, value: Any, parameter: Any) -> None:
    """Refuse what a flag could not have said (``beam = 1.5``, ``beam = true``)."""
    values = value if isinstance(value, list) else [value]
    accepted: dict[str, tuple[type, ...]] = {
        "integer": (int,),
        "float": (int, float),
        "boolean": (bool,),
    }
    kind = str(getattr(parameter.type, "name", "")).removesuffix(" range")
    expected = accepted.get(kind, (str,))
    several = bool(getattr(parameter, "multiple", False)) or getattr(parameter, "nargs", 1) != 1
    for each in values:
        good = isinstance(each, expected) and (kind == "boolean" or not isinstance(each, bool))
        if not good or (isinstance(value, list) and not several):
            raise UserError(
                f"{path}: {key} = {value!r} in [{section}] is not of the type that "
                f"--{key} takes ({kind or 'text'})",
                exit_code=2,
            )


def option_name(parameter: str) -> str:
    return parameter.replace("_", "-")


def dump_settings(name: str, values: dict[str, Any]) -> str:
    """The resolved settings as a section of ``s2s.toml``; unset ones as comments."""
    lines = [f"[{name}]"]
    for key, value in values.items():
        if value is None:
            lines.append(f"# {option_name(key)} is not set")
        else:
            lines.append(f"{option_name(key)} = {toml(value)}")
    return "\n".join(lines) + "\n"


def toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case list() | tuple():
            return "[" + ", ".join(toml(each) for each in value) + "]"
        case _:
            import json

            return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
