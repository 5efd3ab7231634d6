"""All commands, options, defaults and help texts, in docs/reference.md: a change is a visible diff.

The page is written by ``python tests/cli/test_options_golden.py``.
"""

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

from s2s_cli.commands.app import root_command
from s2s_cli.commands.help import EVERY, OPTIONS, split_examples
from s2s_cli.commands.settings_file import as_key

PAGE = Path(__file__).parents[2] / "docs" / "reference.md"
HEAD = """\
# Commands

Every command with its options and their defaults, as `s2s COMMAND --help` shows them. An option
can also be set [in a settings file](settings.md), under its name without the dashes. `s2s help
COMMAND` is the same as `s2s COMMAND --help`.

Files that a command works on are arguments, and all others are options. `-` is stdin or stdout, and
files named `*.gz` are read and written compressed. Switches have an opposite, with `no-` in
front of the name, which undoes what a settings file says.

These options go with every command. They may stand before or after it, and have no place in a
settings file:

"""
MARKDOWN = str.maketrans({"<": "&lt;", "*": r"\*", "|": r"\|", "_": r"\_"})


def describe() -> str:
    """The page: what ``--help`` is made of, before it is folded to the width of a terminal."""
    root = root_command()
    rows = panels(root.commands["vocab"])[EVERY]
    common = "\n".join([f"| {OPTIONS} | default | |", "| --- | --- | --- |", *rows, ""])
    return HEAD + common + "\n".join(entry("s2s", root)) + "\n"


def entry(name: str, command: Any) -> Iterator[str]:
    """The lines of a command; of a group also those of its commands."""
    words = [name, "[OPTIONS]", *(placeholder(each) for each in arguments(command))]
    yield from ("", f"## {name}", "", "```text", " ".join(words), "```", "")
    text, examples = split_examples(command.help)
    yield from paragraphs(text)
    for panel, rows in panels(command).items():
        if panel != EVERY:
            yield from ("", f"| {panel} | default | |", "| --- | --- | --- |", *rows)
    if command.epilog:
        yield ""
        yield from session(command.epilog)
    if examples:
        yield from ("", "```sh", *examples, "```")
    for inner, each in getattr(command, "commands", {}).items():
        yield from entry(f"{name} {inner}", each)


def arguments(command: Any) -> list[Any]:
    return [each for each in command.params if each.param_type_name == "argument"]


def options(command: Any) -> list[Any]:
    return [each for each in command.params if each.param_type_name != "argument"]


def placeholder(argument: Any) -> str:
    """An argument as a line of usage has it: ``[FILE]...``."""
    name = argument.metavar or argument.name.upper()
    name = name if argument.required or name.startswith("[") else f"[{name}]"
    return name + ("..." if argument.nargs == -1 and not name.endswith("...") else "")


def session(epilog: str) -> Iterator[str]:
    """The session at the end of the help of ``s2s``, its commands as code."""
    text, *commands, last = epilog.strip().replace("\n  ", "\n\n  ").split("\n\n")
    yield from paragraphs(text)
    yield from ("", "```sh", *(each.strip() for each in commands), "```", "")
    yield from paragraphs(last)


def paragraphs(text: str) -> Iterator[str]:
    folded = (escaped(" ".join(each.split())) for each in text.split("\n\n"))
    yield from "\n\n".join(folded).split("\n")


def escaped(text: str) -> str:
    """A text of help as Markdown, in which only what stands between backquotes is code."""
    parts = text.split("`")
    return "`".join(
        part if code else part.translate(MARKDOWN) for code, part in zip(cycle((0, 1)), parts)
    )


def panels(command: Any) -> dict[str, list[str]]:
    """The rows of the options, by the heading under which ``--help`` has them."""
    found: dict[str, list[str]] = {}
    for each in arguments(command) + options(command):
        own = "Arguments" if each.param_type_name == "argument" else OPTIONS
        kinds = getattr(command, "kinds", None)
        if getattr(each, "hidden", False):
            continue
        common = kinds is not None and as_key(each.name) not in kinds
        panel = EVERY if common else each.rich_help_panel or own
        found.setdefault(panel, []).append(row(each))
    return found


def row(parameter: Any) -> str:
    """An option or argument: its names, its default, what it is, and which values it takes."""
    kind = "" if getattr(parameter, "is_flag", False) else parameter.metavar or "TEXT"
    choices = kind.split("|") if "|" in kind else []
    value = "" if choices or parameter.param_type_name == "argument" else kind
    names = [*parameter.opts, *parameter.secondary_opts]
    if parameter.param_type_name == "argument":
        names = [placeholder(parameter)]
    cells = (
        ", ".join(f"`{name} {value}`".replace(" `", "`") for name in names),
        default(parameter),
        " ".join([*paragraphs(parameter.help or ""), *limits(parameter, choices)]),
    )
    return "| " + " | ".join(cells) + " |"


def default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = parameter.default
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list | tuple):
        value = " ".join(map(str, value))
    return "" if value in (None, "") else f"`{value}`"


def limits(parameter: Any, choices: list[str]) -> Iterator[str]:
    if choices:
        yield f"One of {', '.join(f'`{each}`' for each in choices)}."
    least, most = getattr(parameter, "min", None), getattr(parameter, "max", None)
    if None not in (least, most):
        yield f"From {least:,.10g} to {most:,.10g}."
    elif least is not None:
        yield f"At least {least:,.10g}."
    elif most is not None:
        yield f"At most {most:,.10g}."
    if getattr(parameter, "multiple", False):
        yield "May be given several times."


def test_the_reference_is_up_to_date() -> None:
    assert describe() == PAGE.read_text("utf-8"), (
        f"the options changed; if they were meant to, run `python {__file__}` and look at the diff"
    )


if __name__ == "__main__":
    PAGE.write_text(describe(), "utf-8")
