"""Command lines of commands and groups: the settings file, and mistakes told in one sentence."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from s2s_cli.commands.command import ALSO, CONFIG, path_parser, report_user_errors, section_of
from s2s_cli.commands.help import is_argument, usage_pieces, write_group, write_subcommand
from s2s_cli.commands.mistakes import (
    OTHER_WAYS,
    REPEATED,
    YES_OR_NO,
    any_of,
    meant_commands,
    meant_options,
    plain_name,
    same_options,
)
from s2s_cli.commands.settings_file import Kind, SettingsSource, as_key, read_settings
from s2s_cli.errors import UsageError
from s2s_cli.settings import shortened

HELP = "help"


@dataclass(frozen=True)
class Listed:
    """A command in the list of its group.

    Attributes:
        heading: that it stands under.
        module: of `s2s_cli.commands`; none for a group.
        summary: what it does, in a line.
    """

    heading: str
    module: str
    summary: str


class Subcommand(TyperCommand):
    """A command whose settings file is read before the values of its options.

    Attributes:
        kinds: of its own options and arguments, by their keys in the settings file.
    """

    kinds: Mapping[str, Kind] = {}

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with usage_errors(ctx):
            if not ctx.resilient_parsing:  # which completion does
                refuse_single_dashes(ctx, args)
                values, rest, order = self.make_parser(ctx).parse_args(list(args))
                if not values.get(HELP):
                    refuse_repeated(order)
                    refuse_arguments(ctx, args, values, rest)
                    refuse_words(ctx, values)
                read_defaults(ctx, values)
            return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return list(usage_pieces(self))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        write_subcommand(ctx, formatter)


class CommandGroup(TyperGroup):
    """A group of commands, none of which is loaded until it is asked for.

    Attributes:
        listed: its commands by name, in the order of its help.
    """

    listed: Mapping[str, Listed] = {}

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            typer.echo(ctx.get_help(), err=True)
            raise typer.Exit(2)
        with usage_errors(ctx):
            if not ctx.resilient_parsing:
                refuse_repeated(self.make_parser(ctx).parse_args(list(args))[2])
            return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, *others = args
        if name == HELP:
            if not others or others[0] in (HELP, *ctx.help_option_names):
                typer.echo(ctx.get_help())
                raise typer.Exit(0)
            name, others = others[0], [*others[1:], "--help"]
        if name not in self.listed:
            refuse_command(ctx, name)
        return super().resolve_command(ctx, [name, *others])

    def invoke(self, ctx: Any) -> Any:
        with usage_errors(ctx):
            return super().invoke(ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        write_group(ctx, formatter)


def read_defaults(ctx: Any, values: Mapping[str, Any]) -> None:
    """Have the settings file give the defaults of a command.

    Raises:
        UsageError: two files are named, or something in the file is wrong.
    """
    source = ctx.obj
    if not isinstance(source, SettingsSource):
        return
    given = values.get(CONFIG)
    try:
        with report_user_errors():
            ctx.obj = file = source.file(path_parser(f"--{CONFIG}")(given) if given else None)
            defaults: Any = read_settings(file.path, source.known) if file else {}
    except SystemExit:
        # Help has to be had above all where a setting is wrong.
        if not values.get(HELP):
            raise
        ctx.obj, defaults = None, {}
    ctx.find_root().default_map = defaults  # of what comes next, too
    for name in section_of(ctx).split("."):
        defaults = defaults.get(name, {})
    for key, kind in ctx.command.kinds.items():
        if values.get(key.replace("-", "_")):
            defaults = {name: value for name, value in defaults.items() if name not in kind.hides}
    ctx.default_map = defaults


@contextmanager
def usage_errors(ctx: Any) -> Iterator[None]:
    """Raise typer's errors of usage as ours, which are one sentence."""
    try:
        yield
    except Exception as error:
        sentence = usage_sentence(error, ctx)
        if sentence is None:
            raise
        raise UsageError(sentence) from None


def usage_sentence(error: Any, ctx: Any) -> str | None:
    """Describe a wrong command line in one sentence; None for any other error.

    typer exports no types for these errors, so their attributes tell them apart.
    """
    if not hasattr(error, "format_message"):
        return None
    ctx = getattr(error, "ctx", None) or ctx
    name = getattr(error, "option_name", None)
    if hasattr(error, "possibilities"):
        return unknown_option(ctx, error.option_name)
    if name:
        parameter = parameter_of(ctx.command, name)
        if parameter is None or parameter.is_flag:
            return f"{name} is a switch and takes no value"
        return f"{name} needs a value: {name} {parameter.metavar}"
    if hasattr(error, "param_type"):
        needed = error.param.metavar or error.param.name
        usage = " ".join(usage_pieces(ctx.command))
        return f"{path_of(ctx)} needs {needed}: s2s {path_of(ctx)} {usage}"
    if getattr(error, "param", None) is not None:
        return f"{name_of_parameter(error.param)}: {error.message.rstrip('.')}"
    if isinstance(ctx.command, CommandGroup):
        return f"a command is missing; {ctx.command_path} --help lists them"
    return f"{path_of(ctx)}: {error.message.rstrip('.')}"


def path_of(ctx: Any) -> str:
    """A command as it is named after ``s2s``; ``s2s`` for the whole."""
    return str(ctx.command_path.partition(" ")[2] or ctx.command_path)


def name_of_parameter(parameter: Any) -> str:
    """An option or argument as the user knows it."""
    return str(parameter.metavar if is_argument(parameter) else parameter.opts[0])


def parameter_of(command: Any, option: str) -> Any:
    """The parameter that has an option of this name, with its dashes; None if none has."""
    names = ((each, {*each.opts, *each.secondary_opts}) for each in command.params)
    return next((each for each, of_it in names if option in of_it and not is_argument(each)), None)


def names_known(command: Any) -> dict[str, Any]:
    """The options and arguments of a command by their names, without dashes."""
    known = {}
    for each in command.params:
        if is_argument(each):
            known[as_key(each.name)] = each
        elif not each.hidden:
            known |= {name[2:]: each for name in each.opts if name.startswith("--")}
    return known


def unknown_option(ctx: Any, typed: str) -> str:
    """Say that there is no such option, and which one may be meant."""
    typed = typed.partition("=")[0]
    known, where = names_known(ctx.command), path_of(ctx)
    said = f"{where} has no option {typed}"
    if other := OTHER_WAYS.get(plain_name(typed)):
        return f"{said}: {other}"
    meant = meant_options(typed, known)
    if not meant and isinstance(ctx.command, CommandGroup):
        return f"{said}; options of a command stand after it: {ctx.command_path} COMMAND {typed}"
    if not meant:
        return f"{said}{owners(ctx, typed)}; s2s {where} --help lists those it has"
    first = known[meant[0].partition(" ")[0]]
    if is_argument(first):
        return f"{said}; the file is an argument: s2s {where} {first.metavar}"
    return f"{said}; did you mean {any_of([f'--{name}' for name in meant])}?"


def owners(ctx: Any, typed: str) -> str:
    """Say which other commands have an option."""
    source, key = ctx.obj, plain_name(typed)
    if not isinstance(source, SettingsSource):
        return ""
    found = [
        section.replace(".", " ") for section, options in source.known.items() if key in options
    ]
    return f"; --{key} is an option of {' and '.join(found[:3])}" if found else ""


def refuse_command(ctx: Any, typed: str) -> NoReturn:
    """Raise the error that there is no such command, with the one that may be meant."""
    known = ctx.command.listed
    where = "" if ctx.parent is None else f"{path_of(ctx)} "
    said = f"no command {where}{typed!r}"
    if plain_name(typed) in OTHER_WAYS:
        raise UsageError(f"{said}: {OTHER_WAYS[plain_name(typed)]}")
    inner = [
        f"{name} {typed}"
        for name, command in (
            (name, ctx.command.commands[name]) for name in known if not known[name].module
        )
        if typed in command.commands
    ]
    if meant := inner or meant_commands(typed, known):
        raise UsageError(f"{said}; did you mean {any_of([repr(each) for each in meant])}?")
    raise UsageError(f"{said}; there are {', '.join(known)}")


def refuse_single_dashes(ctx: Any, args: Sequence[str]) -> None:
    """Refuse ``-model x``, which would be read as ``--model odel`` and a text ``x``.

    Raises:
        UsageError: an option, ours or another tool's, has one dash.
    """
    known = [*names_known(ctx.command), HELP]
    for each in args:
        if each == "--":
            return
        one_dash = each[:1] == "-" and each[1:2] != "-" and len(each) > 2
        if one_dash and (meant := same_options(each, known)):
            raise UsageError(
                f"{each}: long options have two dashes; did you mean "
                f"{any_of([f'--{name}' for name in meant])}?"
            )


def refuse_repeated(order: Sequence[Any]) -> None:
    """Refuse a file that was meant beside a second one of the same option, which would hide it.

    Raises:
        UsageError: an option that takes one path is given twice (`REPEATED`).
    """
    for parameter, count in Counter(map(id, order)).items():
        each = next(one for one in order if id(one) == parameter)
        if count == 1 or is_argument(each) or each.multiple or each.is_flag:
            continue
        key = as_key(each.name.removeprefix(ALSO))
        if key in REPEATED:
            raise UsageError(f"{each.opts[0]} is given twice; {REPEATED[key]}")


def refuse_arguments(
    ctx: Any, args: Sequence[str], values: Mapping[str, Any], rest: Sequence[str]
) -> None:
    """Refuse arguments that are too many, or that were meant as values of an option.

    Raises:
        UsageError: says what was probably meant.
    """
    command, where = ctx.command, path_of(ctx)
    arguments = [each for each in command.params if is_argument(each)]
    taken = {*flat([values.get(each.name) for each in arguments]), *rest}
    for option, value, after in zip(args, [*args[1:], ""], [*args[2:], "", ""], strict=False):
        parameter = parameter_of(command, option)
        if parameter is None:
            continue
        if parameter.is_flag and value in YES_OR_NO and value in taken:
            raise UsageError(f"{option} is a switch and takes no value; leave out {value}")
        is_meant = after in taken and (is_model(after) or (rest and not Path(after).is_file()))
        if parameter.multiple and is_meant:
            raise UsageError(
                f"{option} takes one value; repeat it for each: {option} {value} {option} {after}"
            )
    by_name = parameter_of(command, "--model")
    model = next(filter(is_model, taken), None) if by_name and not by_name.hidden else None
    if model is not None:
        raise UsageError(f"{model} is a model, not a text; name it with --model {model}")
    if rest:
        takes = f"no more than {arguments[-1].metavar}" if arguments else "no argument"
        written = arguments and parameter_of(command, "--output") and "output" not in values
        meant = f"did you mean --output {rest[0]}" if written else f"what is {rest[0]!r}"
        raise UsageError(f"{where} takes {takes}: {meant}? See s2s {where} --help for its options")


def refuse_words(ctx: Any, values: Mapping[str, Any]) -> None:
    """Refuse what is none of the words that may be chosen from.

    Raises:
        UsageError: names them.
    """
    for key, kind in ctx.command.kinds.items():
        for value in flat([values.get(key.replace("-", "_"))] if kind.words else []):
            if complaint := kind.complaint(value):
                raise UsageError(f"--{key} {shortened(value)}: {complaint}")


def flat(values: Sequence[Any]) -> Iterator[str]:
    """The texts among ``values``, and in sequences among them."""
    for each in values:
        if isinstance(each, str):
            yield each
        elif each is not None:
            yield from each


def is_model(text: str) -> bool:
    """Check for a model directory, or a file of weights in one."""
    if not Path(text).is_dir() and not text.endswith(".pt"):
        return False
    from s2s_cli.model.description import DESCRIPTION, model_directory

    return (model_directory(Path(text)) / DESCRIPTION).is_file()
