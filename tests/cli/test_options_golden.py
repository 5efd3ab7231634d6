"""All commands, options, defaults and help texts, in a file: a change of one is a visible diff."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from s2s_cli.commands.app import root_command

GOLDEN = Path(__file__).with_name("options.golden.txt")


def describe() -> str:
    """What ``--help`` is made of, before it is folded to the width of a terminal."""
    return "\n".join(entry("s2s", root_command())) + "\n"


def entry(name: str, command: Any) -> Iterator[str]:
    """The lines of a command; of a group also those of its commands."""
    yield from (name, *paragraphs(command.help), *options(command))
    for inner, each in getattr(command, "commands", {}).items():
        yield ""
        yield from entry(f"{name} {inner}", each)


def paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        yield "  " + " ".join(paragraph.split())


def options(command: Any) -> Iterator[str]:
    for each in command.params:
        names = " ".join([*each.opts, *(f"/ {name}" for name in each.secondary_opts)])
        bounds = "".join(
            f" {sign} {bound:g}"
            for sign, bound in ((">=", each.min), ("<=", each.max))
            if bound is not None
        )
        many = "..." if each.multiple or each.nargs == -1 else ""
        default = shown(each.default)
        yield f"    {names} {each.metavar or 'flag'}{many}{bounds} = {default}: {each.help}"


def shown(default: Any) -> str:
    if isinstance(default, list | tuple):
        return "[" + ", ".join(map(shown, default)) + "]"
    return str(default)


def test_the_options_are_those_of_the_golden_file() -> None:
    assert describe() == GOLDEN.read_text("utf-8"), (
        f"the options changed; if they were meant to, run `python {__file__}` and look at the diff"
    )


if __name__ == "__main__":
    GOLDEN.write_text(describe(), "utf-8")
