"""The command that comes after another one, as a line to paste into a shell."""

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import typer

from s2s_cli.commands.settings_file import SETTINGS_FILE, SettingsFile, as_key
from s2s_cli.console import say
from s2s_cli.errors import UserError
from s2s_cli.files import STDIO, existing

# An argument that would be read as an option is named so.
HERE = "./"
GZIP = ".gz"


@dataclass(frozen=True)
class NextStep:
    """A command to suggest.

    Attributes:
        command: its name, as `s2s` has it.
        values: files and the like by the name of its parameter, options and arguments alike,
            arguments in their order. What the command would take by itself is left out of the line.
        flags: options without a value.
        settings: the settings file for it; None: the one in use.
        fresh: the name of a directory that it writes, and a test of the one that it would take by
            itself: if that holds something else, another one is suggested.
    """

    command: str
    values: Mapping[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    settings: Path | None = None
    fresh: tuple[str, Callable[[Path], bool]] | None = None


def say_next(context: typer.Context, step: NextStep) -> None:
    """Print ``step`` on stderr."""
    parameters, defaults = known_of(context, step.command)
    if step.fresh:
        name, is_other = step.fresh
        path = Path(defaults[name])
        if is_other(path):
            say(f"{path}: was made from other data and stays as it is")
            step = replace(step, values={**step.values, name: free_name(path)})
    say(f"next: {command_line(context.obj, step, parameters, defaults)}")


def known_of(context: typer.Context, command: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters of a command by name, and their values where none is given."""
    root = context.find_root()
    parameters = {each.name: each for each in root.command.commands[command].params}  # type: ignore[attr-defined]
    defaults = {name: each.default for name, each in parameters.items()}
    return parameters, {**defaults, **(root.default_map or {}).get(command, {})}


def free_name(path: Path) -> Path:
    """Find a name beside ``path`` that nothing has: model-2 for model."""
    names = (path.with_name(f"{path.name}-{number}") for number in count(2))
    return next(each for each in names if not os.path.lexists(each))


def command_line(
    settings: SettingsFile | None,
    step: NextStep,
    parameters: Mapping[str, Any],
    defaults: Mapping[str, Any],
) -> str:
    """Write ``step`` for the settings file in use: only what differs from its defaults."""
    options, arguments = list(step.flags), list[str]()
    for name, value in reversed(list(step.values.items())):
        parameter, texts = parameters[name], as_texts(value)
        is_default = texts == as_texts(defaults[name])
        texts = [HERE + each if each[0] == "-" and each != "-" else each for each in texts]
        if parameter.param_type_name != "argument":
            words = [word for each in texts for word in (f"--{as_key(name)}", each)]
            options += [] if is_default else words
        elif arguments or not is_default:  # an argument is known by those before it
            arguments = texts + arguments
    return shlex.join(["s2s", *config_option(settings, step), step.command, *arguments, *options])


def as_texts(value: Any) -> list[str]:
    """Write one value, or several, as the words that would be given for it."""
    return [str(each) for each in (value if isinstance(value, list | tuple) else [value])]


def config_option(settings: SettingsFile | None, step: NextStep) -> list[str]:
    """Name the settings file, unless it is the one that is found without a name."""
    in_use = settings.path if settings and settings.named else SETTINGS_FILE
    path = step.settings or in_use
    return [] if path == SETTINGS_FILE else ["--config", str(path)]


def scoring_step(source: Path, output: Path, model: Path, *, tokenised: bool) -> NextStep | None:
    """Suggest to score the translations in ``output``; None where no reference is known.

    The reference of ``corpus/test.en`` is ``corpus/test.fr``, compressed or not.

    Args:
        source: the text that was translated.
        output: its translations.
        model: that they are from, which says their language.
        tokenised: the texts have their words between spaces.
    """
    from s2s_cli.model.description import Description, model_directory
    from s2s_cli.scoring.languages import choose_language

    facts = Description.read(model_directory(model)).facts
    plain = source.with_suffix("") if source.suffix == GZIP else source
    reference = plain.with_suffix(f".{facts.target_language}")
    if output == STDIO or reference == source or not is_there(reference):
        return None
    values: dict[str, Any] = {"reference": reference, "translation": [output]}
    if choose_language("", None) != facts.target_language:
        values["language"] = facts.target_language
    flags = ("--tokenised",) if tokenised or facts.tokenised else ()
    return NextStep("score", values, flags)


def is_there(path: Path) -> bool:
    """Check for a text, compressed or not."""
    try:
        existing(path)
    except UserError:
        return False
    return path != STDIO
