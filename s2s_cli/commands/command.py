"""Commands made of plain functions: settings spread into options, errors in one sentence."""

import dataclasses
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Annotated, Any, NoReturn, get_type_hints

import typer

from s2s_cli.commands.next_step import NextStep, say_next
from s2s_cli.commands.settings_file import (
    Kind,
    SettingsFile,
    as_key,
    dump_settings,
    path_problem,
)
from s2s_cli.console import be_quiet, head, heading, say_head, write_line
from s2s_cli.errors import UsageError, as_user_error
from s2s_cli.files import is_utf8
from s2s_cli.interrupts import Interrupted

CONTEXT = "context"
CONFIG = "config"
QUIET = "quiet"
DUMP_CONFIG = "dump_config"
# Of every command, and none of its settings.
COMMON = (CONTEXT, CONFIG, QUIET, DUMP_CONFIG)
# A letter means the same in every command.
SHORT = {"model": "-m", "output": "-o", "beam": "-b"}
# Before the name of an argument: the option that may be given in its place.
ALSO = "also_"
BROKEN_PIPE = 141
CONFIG_HELP = "Settings file to read in place of s2s.toml."

QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print no messages but warnings and errors.")
]


@dataclasses.dataclass(frozen=True)
class AlsoOption:
    """Mark of an argument that may be given as an option, too, as earlier versions had it."""


def command(function: Callable[..., NextStep | None]) -> Callable[..., None]:
    """Make a function a subcommand; if it returns what comes after it, that is printed last.

    Parameters whose type is a dataclass of settings (`s2s_cli.settings.setting`) are spread into
    one option per field. Options that every command has (`COMMON`) are added.
    """
    hints = get_type_hints(function, include_extras=True)
    own = inspect.signature(function).parameters
    groups = {key: hints[key] for key in own if dataclasses.is_dataclass(hints[key])}

    @wraps(function)
    def run(context: typer.Context, **values: Any) -> None:
        with report_user_errors():
            dump = values.pop(DUMP_CONFIG)
            values.pop(CONFIG)  # which was read before all other options
            if values.pop(QUIET):
                be_quiet()
            values = merge_options(context, values)
            if dump:
                sys.stdout.write(dump_settings(section_of(context), values))
            else:
                check_texts(values)
                tell_settings(context, options_of(run), values)
                following = function(**group_settings(groups, values))
                say_head()
                if following is not None:
                    say_next(context, following)
            sys.stdout.flush()

    parameters = [keyword(CONTEXT, typer.Context)]
    for key, parameter in own.items():
        if key in groups:
            parameters += [option(groups[key], field) for field in dataclasses.fields(groups[key])]
        else:
            parameters.append(keyword(key, hints[key], parameter.default))
            parameters += also_option(parameters[-1])
    parameters += common_options()
    for each in parameters[1:]:
        set_names(each)
        set_placeholder(each)
        set_parser(each)
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def common_options() -> list[inspect.Parameter]:
    """The options of every command."""
    config = typer.Option("--config", help=CONFIG_HELP)
    dump = typer.Option(
        "--dump-config", help="Print the settings that would be used, as TOML, and exit."
    )
    return [
        keyword(CONFIG, Annotated[Path | None, config], None),
        keyword(DUMP_CONFIG, Annotated[bool, dump], False),
        keyword(QUIET, QuietOption, False),
    ]


def also_option(argument: inspect.Parameter) -> list[inspect.Parameter]:
    """The hidden option of the same name, of an argument with the mark `AlsoOption`."""
    if not any(isinstance(each, AlsoOption) for each in argument.annotation.__metadata__):
        return []
    bare = argument.annotation.__origin__
    hidden = typer.Option(f"--{as_key(argument.name)}", hidden=True)
    return [keyword(ALSO + argument.name, Annotated[bare | None, hidden], None)]


def merge_options(context: typer.Context, values: dict[str, Any]) -> dict[str, Any]:
    """Take what was given as an option for the argument of the same name.

    Raises:
        UsageError: both were given.
    """
    merged = {name: value for name, value in values.items() if not name.startswith(ALSO)}
    for name in merged:
        given = values.get(ALSO + name)
        if given is None:
            continue
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise UsageError(
                f"--{as_key(name)} {given} and the argument {merged[name]} are the same thing; "
                "give one of them"
            )
        merged[name] = given
    return merged


def section_of(context: typer.Context) -> str:
    """The section of a command in the settings file: its name, after that of its group."""
    _, *names = context.command_path.split(" ")
    return ".".join(names)


def options_of(function: Callable[..., None]) -> dict[str, Kind]:
    """The kind of every option of a subcommand, by its key in the settings file."""
    return {
        as_key(name): Kind.of(annotation)
        for name, annotation in function.__annotations__.items()
        if name not in COMMON and not name.startswith(ALSO)
    }


def check_texts(values: dict[str, Any]) -> None:
    """Refuse text that is no UTF-8, which means nothing to any option but a path."""
    for name, value in values.items():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and not is_utf8(text):
                raise UsageError(f"--{as_key(name)} {text!a}: is not UTF-8")


def tell_settings(
    context: typer.Context, kinds: Mapping[str, Kind], values: dict[str, Any]
) -> None:
    """Say which file settings come from, and refuse what it may not have this command write."""
    file: SettingsFile | None = context.obj
    if file is None or not context.default_map:  # nothing in it is about this command
        return
    head(f"settings from {file.path}")
    for name, value in values.items():
        mark, source = kinds[as_key(name)].writes, context.get_parameter_source(name)
        if mark is None or source is None or source.name != "DEFAULT_MAP":
            continue
        if not mark.when or values[mark.when]:
            paths = value if isinstance(value, list) else [value]
            file.check_written(section_of(context), as_key(name), paths)


def group_settings(groups: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Put the values of each group back into one dataclass."""
    arguments = dict(values)
    for key, group in groups.items():
        names = [field.name for field in dataclasses.fields(group)]
        arguments[key] = group(**{name: arguments.pop(name) for name in names})
    return arguments


def option(group: Any, field: "dataclasses.Field[Any]") -> inspect.Parameter:
    """The command-line option of one settings field."""
    meta = field.metadata
    info = typer.Option(
        help=meta["help"],
        min=meta["min"],
        max=meta["max"],
        rich_help_panel=meta["panel"],
        hidden=meta["hidden"],
    )
    annotation: Any = Annotated[get_type_hints(group)[field.name], info]
    if meta["writes"]:
        annotation = Annotated[annotation, meta["writes"]]
    return keyword(field.name, annotation, field.default)


def keyword(
    name: str, annotation: Any, default: Any = inspect.Parameter.empty
) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


def set_names(parameter: inspect.Parameter) -> None:
    """Give an option its short name, where options of that name have one (`SHORT`)."""
    info, *_ = parameter.annotation.__metadata__
    name = parameter.name.removeprefix(ALSO)
    if isinstance(info, typer.models.OptionInfo) and name in SHORT:
        long = info.param_decls or (f"--{as_key(name)}",)
        info.param_decls = tuple(dict.fromkeys((*long, SHORT[name])))


def set_placeholder(parameter: inspect.Parameter) -> None:
    """Set short placeholders for ``--help``, and hide the default of a flag that is off."""
    kind = Kind.of(parameter.annotation)
    info, *_ = parameter.annotation.__metadata__
    if kind.type is bool:
        info.show_default = parameter.default is not False
    else:
        is_argument = isinstance(info, typer.models.ArgumentInfo)
        info.metavar = parameter.name.upper() if is_argument else kind.placeholder


def set_parser(parameter: inspect.Parameter) -> None:
    """Read numbers as ``s2s.toml`` has them, with the same words for what is none; and paths."""
    kind = Kind.of(parameter.annotation)
    if kind.type in (int, float):
        info, *_ = parameter.annotation.__metadata__
        info.parser = partial(kind.number, parameter.name)
    elif kind.type is Path:
        info, *_ = parameter.annotation.__metadata__
        is_argument = isinstance(info, typer.models.ArgumentInfo)
        long, *_ = getattr(info, "param_decls", None) or (f"--{as_key(parameter.name)}",)
        name = parameter.name.upper() if is_argument else long
        info.parser = path_parser(name)


def path_parser(name: str) -> Callable[[str | Path], Path]:
    """Make the parser of the option or argument ``name``; typer takes "" for "."."""

    def parse_path(value: str | Path) -> Path:
        if problem := path_problem(str(value)):
            hint = "" if value else "; is a shell variable unset?"
            raise UsageError(f"{name} {problem}{hint}")
        return Path(value)

    return parse_path


@contextmanager
def report_user_errors() -> Iterator[None]:
    """Turn the user's errors into one sentence on stderr and an exit code."""
    try:
        yield
    except BrokenPipeError:
        drop_output()
        raise SystemExit(BROKEN_PIPE) from None
    except Interrupted as error:
        fail(str(error), error.exit_code)
    except Exception as error:
        user_error = as_user_error(error)
        if user_error is None:
            raise
        fail(str(user_error), user_error.exit_code)


def fail(message: str, code: int) -> NoReturn:
    heading.clear()  # an error is one line
    write_line(f"s2s: {message}")
    try:
        sys.stdout.flush()
    except OSError:
        drop_output()
    raise SystemExit(code)


def drop_output() -> None:
    """Send what is still buffered for stdout nowhere; Python would try again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
