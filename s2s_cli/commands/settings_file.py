"""The settings file ``s2s.toml``: a section for each command, a key for each option."""

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args, get_origin

from s2s_cli.errors import UsageError
from s2s_cli.files import STDIO, read_bounded
from s2s_cli.settings import Bounds, Writes, shortened
from s2s_cli.toml import parse_toml, toml_section, toml_value

# Read where no other is named.
SETTINGS_FILE = Path("s2s.toml")
# Characters; a longer one would leave no room beside it.
LONGEST_PLACEHOLDER = 40


@dataclass(frozen=True)
class Hides:
    """Mark of an argument: given on the command line, it hides keys of the settings file."""

    keys: tuple[str, ...]

    def __init__(self, *keys: str) -> None:
        object.__setattr__(self, "keys", keys)


@dataclass(frozen=True)
class Kind:
    """The values of an option: a plain type, bounds, one value or several, whether it writes."""

    type: Any
    several: bool = False
    min: float | None = None
    max: float | None = None
    writes: Writes | None = None
    hides: tuple[str, ...] = ()

    @classmethod
    def of(cls, annotation: Any) -> "Kind":
        """Find the kind of ``Annotated[int | None, typer.Option(min=1)]`` and its like."""
        bare, *infos = get_args(annotation) if hasattr(annotation, "__metadata__") else [annotation]
        writes = next((each for each in infos if isinstance(each, Writes)), None)
        hidden = [key for each in infos if isinstance(each, Hides) for key in each.keys]
        infos = [each for each in infos if hasattr(each, "min")]
        choices = [each for each in get_args(bare) if each is not type(None)]
        if type(None) in get_args(bare):
            bare = choices[0]
        several = get_origin(bare) is list
        bounds = [(info.min, info.max) for info in infos] or [(None, None)]
        plain = get_args(bare)[0] if several else bare
        return cls(plain, several, *bounds[0], writes, tuple(hidden))

    @property
    def words(self) -> tuple[str, ...]:
        """The words that may be chosen from; none where any value will do."""
        return get_args(self.type) if get_origin(self.type) is Literal else ()

    @property
    def placeholder(self) -> str:
        """The placeholder of the value in ``--help``; many words are left to the option's text."""
        words = "|".join(self.words)
        if len(words) > LONGEST_PLACEHOLDER:
            return "NAME"
        return words or {int: "N", float: "X", str: "TEXT"}.get(self.type, "PATH")

    @property
    def bounds(self) -> Bounds | None:
        """The range of a number."""
        if self.type not in (int, float):
            return None
        low, high = self.min, self.max
        return Bounds(-math.inf if low is None else low, math.inf if high is None else high)

    @property
    def what(self) -> str:
        """Requirement on a value: its type, and the range of a number."""
        names = {int: "a whole number", float: "a number", bool: "true or false"}
        bounds = f", {self.bounds}" if self.bounds else ""
        return names.get(self.type, "text in quotes") + bounds

    def complaint(self, value: object) -> str | None:
        """Describe what is wrong with a value (``beam = true``); None where nothing is."""
        accepted = {int: (int,), float: (int, float), bool: (bool,)}.get(self.type, (str,))
        if not isinstance(value, accepted) or (isinstance(value, bool) and self.type is not bool):
            return f"must be {self.what}"
        if self.words and value not in self.words:
            return f"must be one of {', '.join(self.words)}"
        if self.type is Path and (problem := path_problem(str(value))):
            return problem
        if self.bounds and isinstance(value, int | float):
            return self.bounds.complaint(value)
        return None

    def number(self, name: str, given: object) -> int | float:
        """The number that the option ``name`` is given on the command line.

        Raises:
            UsageError: it is none, or not one that the option takes.
        """
        value = given
        if isinstance(given, str):
            with suppress(ValueError):  # also thousands of digits
                value = self.type(given)
        if complaint := self.complaint(value):
            raise UsageError(f"--{as_key(name)} {shortened(given) or repr('')}: {complaint}")
        made: int | float = self.type(value)
        return made


def path_problem(text: str) -> str | None:
    """Describe what is wrong with the text of a path; None where nothing is."""
    if not text:
        return "is empty and names no file"
    return "has a NUL character, which no file name has" if "\0" in text else None


@dataclass(frozen=True)
class SettingsFile:
    """The settings file that was read.

    Attributes:
        named: by the user; otherwise it happens to lie in the current directory.
    """

    path: Path
    named: bool

    def check_written(self, section: str, key: str, values: list[Path]) -> None:
        """Refuse to write outside the directory of a file that nobody has named.

        It may be a stranger's, come with an archive or a repository.

        Raises:
            UsageError: one of ``values`` leads out of it: by itself, by ``..`` or by a link.
        """
        home = os.path.realpath(self.path.parent)
        for value in values:
            inside = Path(os.path.realpath(value)).is_relative_to(home)
            if not (self.named or inside or value == STDIO):
                refuse(
                    self.path,
                    f"{key} = {toml_value(value)} in [{section}] would write outside the directory "
                    f"of this file; if that is meant, name the file: --config {self.path}",
                )


Known = Mapping[str, Mapping[str, Kind]]


@dataclass(frozen=True)
class SettingsSource:
    """Where a command finds its settings file.

    Attributes:
        named: the file that was named before the command; None if none was.
        known: the options of each command by key.
        usual: the file that is read if it exists and none is named.
    """

    named: Path | None
    known: Known
    usual: Path

    def file(self, named: Path | None) -> SettingsFile | None:
        """Choose the file; ``named`` was named after the command.

        Raises:
            UsageError: two are named.
        """
        if named and self.named:
            raise UsageError(
                f"--config is given twice ({self.named}, {named}), and only one file is read"
            )
        if path := named or self.named:
            return SettingsFile(path, named=True)
        return SettingsFile(self.usual, named=False) if self.usual.is_file() else None


def read_settings(path: Path, known: Known) -> dict[str, dict[str, Any]]:
    """Read the settings file as defaults of each command; of a group, one level further down.

    Args:
        path: the file.
        known: the options of each command by key; a section of a group is ``GROUP.COMMAND``.

    Raises:
        UsageError: missing file, invalid TOML, unknown section or key, a value no flag could have.
    """
    try:
        document = parse_toml(read_bounded(path), path, UsageError)
    except FileNotFoundError:
        refuse(path, "no such settings file")
    defaults: dict[str, dict[str, Any]] = {}
    for section, values in sections(document, known):
        if not isinstance(values, dict):
            refuse(path, f"{section!r} stands outside a section; write settings under [COMMAND]")
        reject_unknown(path, section, known, "section")
        *group, command = section.split(".")
        holder = defaults.setdefault(group[0], {}) if group else defaults
        options, taken = known[section], holder.setdefault(command, {})
        for key, value in values.items():
            reject_unknown(path, key, options, f"key in [{section}]")
            kind = options[key]
            values_of_key = value if kind.several and isinstance(value, list) else [value]
            setting = f"{key} = {shortened(toml_value(value))} in [{section}]"
            check_values(path, setting, values_of_key, kind)
            taken[key.replace("-", "_")] = values_of_key if kind.several else value
    return defaults


def sections(document: Mapping[str, Any], known: Known) -> Iterator[tuple[str, Any]]:
    """Yield the name and content of each section; those of a group's commands by both names."""
    for name, values in document.items():
        if isinstance(values, dict) and any(each.startswith(f"{name}.") for each in known):
            yield from ((f"{name}.{inner}", each) for inner, each in values.items())
        else:
            yield name, values


def reject_unknown(path: Path, name: str, known: Mapping[str, Any], what: str) -> None:
    if name in known:
        return
    import difflib

    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(sorted(known))}"
    refuse(path, f"unknown {what}: {name!r}; {hint}")


def check_values(path: Path, setting: str, values: list[Any], kind: Kind) -> None:
    if not values:
        refuse(path, f"{setting} names nothing; leave the key out")
    for value in values:
        if complaint := kind.complaint(value):
            refuse(path, f"{setting} {complaint}")


def refuse(path: Path, what: str) -> NoReturn:
    raise UsageError(f"{path}: {what}")


def as_key(parameter: str) -> str:
    return parameter.replace("_", "-")


def dump_settings(name: str, values: Mapping[str, Any]) -> str:
    """Write the resolved settings as a section of ``s2s.toml``; unset ones as comments."""
    return toml_section(name, {as_key(parameter): value for parameter, value in values.items()})
