"""What ``--help`` prints: plain text of at most 80 columns, options under headings, examples."""

import inspect
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from s2s_cli.commands.settings_file import Kind, as_key
from s2s_cli.files import STDIO
from s2s_cli.settings import HARDWARE

# Columns of the names of options; a longer one has a line of its own.
NAME_COLUMNS = 24
EXAMPLES = "Examples:"
OPTIONS = "Options"
EVERY = "Common options"
ARGUMENTS = "Arguments"
# It is written as a space, at which no line is broken.
NO_BREAK = "\N{NO-BREAK SPACE}"
# A range is shown if its upper end is this small, or its lower end this large: others say no more
# than that a number is meant.
SMALL, LARGE = 50, 10


def write_subcommand(ctx: Any, formatter: Any) -> None:
    """Write the help of a command: usage, text, arguments, options under headings, examples."""
    command = ctx.command
    text, examples = split_examples(command.help or "")
    formatter.write_usage(ctx.command_path, " ".join(usage_pieces(command)))
    write_paragraphs(formatter, text)
    for heading, parameters in panels(command, ctx).items():
        rows = [(names_of(each, command.kinds), described(each, ctx)) for each in parameters]
        write_rows(formatter, heading, rows)
    if examples:
        with formatter.section(EXAMPLES.rstrip(":")):
            for line in examples:
                formatter.write(f"  {line}".rstrip() + "\n")


def write_group(ctx: Any, formatter: Any) -> None:
    """Write the help of a group: its commands under headings, its options, its epilog."""
    command = ctx.command
    formatter.write_usage(ctx.command_path, "[OPTIONS] COMMAND [ARGUMENTS]")
    write_paragraphs(formatter, command.help or "")
    headings: dict[str, list[tuple[str, str]]] = {}
    for name, listed in command.listed.items():
        headings.setdefault(listed.heading, []).append((name, listed.summary))
    for heading, rows in headings.items():
        write_rows(formatter, heading, rows)
    rows = [(names_of(each, {}), described(each, ctx)) for each in command.get_params(ctx)]
    write_rows(formatter, OPTIONS, rows)
    if command.epilog:
        formatter.write(f"\n{command.epilog.strip()}\n")


def split_examples(text: str) -> tuple[str, list[str]]:
    """Part the docstring of a command from the lines of its examples."""
    text, _, examples = inspect.cleandoc(text).partition(f"\n{EXAMPLES}\n")
    return text.strip(), textwrap.dedent(examples).splitlines()


def usage_pieces(command: Any) -> Iterator[str]:
    """The parts of the line of usage after the command's name."""
    yield "[OPTIONS]"
    for each in command.params:
        if is_argument(each):
            several = "..." if each.nargs != 1 else ""
            yield (each.metavar if each.required else f"[{each.metavar}]") + several


def panels(command: Any, ctx: Any) -> dict[str, list[Any]]:
    """Arguments and options by their headings, in order; those of every command come last."""
    found: dict[str, list[Any]] = {ARGUMENTS: [], OPTIONS: []}
    for each in command.params:
        if is_argument(each):
            found[ARGUMENTS].append(each)
        elif not each.hidden and as_key(each.name) in command.kinds:
            found.setdefault(each.rich_help_panel or OPTIONS, []).append(each)
    common = [
        each
        for each in command.get_params(ctx)
        if not is_argument(each) and not each.hidden and as_key(each.name) not in command.kinds
    ]
    found[HARDWARE] = found.pop(HARDWARE, [])
    found[EVERY] = common
    return {heading: parameters for heading, parameters in found.items() if parameters}


def names_of(parameter: Any, kinds: Mapping[str, Kind]) -> str:
    """The names of an option with its value: ``-b, --beam N``; a switch by the one that acts."""
    if is_argument(parameter):
        return str(parameter.metavar) + ("..." if parameter.nargs != 1 else "")
    short = [name for name in parameter.opts if not name.startswith("--")]
    long = [name for name in parameter.opts if name.startswith("--")]
    names = ", ".join([*short, *long])
    if parameter.is_flag:
        on = parameter.secondary_opts if parameter.default is True else []
        return " / ".join([names, *on])
    return f"{names} {parameter.metavar}"


def described(parameter: Any, ctx: Any) -> str:
    """The text of an option, with its range if that says something, and its default."""
    kind = getattr(ctx.command, "kinds", {}).get(as_key(parameter.name))
    notes = [] if kind is None else [*range_notes(kind), *default_notes(parameter, kind, ctx)]
    if parameter.required:
        notes.append("required")
    if not notes:
        return str(parameter.help)
    return f"{parameter.help} [{', '.join(note.replace(' ', NO_BREAK) for note in notes)}]"


def range_notes(kind: Kind) -> Iterator[str]:
    """The range of a number, where it is more than a limit of what can be meant."""
    if kind.bounds is None:
        return
    if kind.bounds.high <= SMALL:
        yield f"between {kind.bounds.low:g} and {kind.bounds.high:g}"
    elif kind.bounds.low >= LARGE:
        yield f"at least {kind.bounds.low:g}"


def default_notes(parameter: Any, kind: Kind, ctx: Any) -> Iterator[str]:
    """The default, and the settings file that it comes from."""
    from_file = ctx.lookup_default(parameter.name)
    if from_file is not None:
        yield f"default: {shown(from_file, kind)}"
        yield f"from {ctx.obj.path}"
    elif parameter.default not in (None, "", []) and parameter.default is not False:
        yield f"default: {shown(parameter.default, kind)}"


def shown(value: Any, kind: Kind) -> str:
    """A default as it is typed; ``-`` as what it stands for."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " ".join(shown(each, kind) for each in value)
    if isinstance(value, bool):
        return "on" if value else "off"
    if kind.type is Path and str(value) == str(STDIO):
        return "stdout" if kind.writes else "stdin"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def write_paragraphs(formatter: Any, text: str) -> None:
    if text:
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(inspect.cleandoc(text))


def write_rows(formatter: Any, heading: str, rows: Sequence[tuple[str, str]]) -> None:
    with formatter.section(heading):
        formatter.write_dl(list(rows), col_max=NAME_COLUMNS)
    formatter.buffer[:] = [each.replace(NO_BREAK, " ") for each in formatter.buffer]


def is_argument(parameter: Any) -> bool:
    """True for an argument, which has a place and no name on the command line."""
    return bool(parameter.param_type_name == "argument")
