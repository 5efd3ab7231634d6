"""TOML, read and written: the settings of ``s2s.toml``, and weights of features.

Written by hand: a library writes neither comments, which options that are not set become, nor a
list in one line.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from s2s_cli.errors import UserError


def parse_toml(content: bytes, path: Path, refusal: type[UserError] = UserError) -> dict[str, Any]:
    """Parse the ``content`` of ``path``.

    Raises:
        UserError: it is no TOML; the class is ``refusal``.
    """
    import tomllib  # only where there is a file to read

    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # also of numbers with thousands of digits
        raise refusal(f"{path}: not valid TOML: {error}") from None


def toml_section(title: str, entries: Mapping[str, Any]) -> str:
    """Write a section: a line for its title, then one for each entry; None is a comment."""
    lines = [f"[{title}]"]
    for key, value in entries.items():
        name = toml_key(key)
        lines.append(f"# {name} is not set" if value is None else f"{name} = {toml_value(value)}")
    return "".join(f"{line}\n" for line in lines)


def toml_key(key: str) -> str:
    """Write ``key`` bare where TOML allows that, in quotes elsewhere."""
    bare = key.isascii() and key.replace("-", "a").replace("_", "a").isalnum()
    return key if bare else toml_value(key)


def toml_value(value: Any) -> str:
    """Write ``value`` as TOML: a number, a truth value, a list, or else its text.

    Raises:
        UserError: a file name that is not UTF-8, for which TOML has no way of writing.
    """
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case list() | tuple():
            return "[" + ", ".join(map(toml_value, value)) + "]"
        case _:
            text = str(value)
            try:
                text.encode()
            except UnicodeEncodeError:
                raise UserError(f"{text!r} is not UTF-8 and cannot stand in TOML") from None
            # A JSON string is a TOML string but for one control character.
            return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
