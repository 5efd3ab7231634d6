"""What was decided when the text was prepared, and must hold wherever a model reads text."""

import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from s2s_cli.errors import UserError
from s2s_cli.files import check_format, read_json, write_json

FORMAT = 1
FILE_NAME = "facts.json"


@dataclass(frozen=True)
class Facts:
    """Decided by ``prep``, carried by ``vocab`` and ``train``, obeyed by ``decode``/``rescore``.

    Attributes:
        source_language: code of the source language, also the suffix of its files.
        target_language: likewise for the target.
        tokenised: the text came already tokenised, so a word is what stands between spaces.
        reverse_source: the encoder reads the source last word first (§3.3). The text files keep
            their natural order; words are reversed where they become ids.
        tokeniser: name and version of the tokeniser, for the record.
    """

    source_language: str
    target_language: str
    tokenised: bool
    reverse_source: bool
    tokeniser: str

    def write(self, directory: Path) -> None:
        write_json(directory / FILE_NAME, self.as_json())

    def as_json(self) -> dict[str, Any]:
        """What `read` reads."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def read(cls, directory: Path) -> "Facts":
        """The facts that ``s2s prep`` left in ``directory``.

        Raises:
            UserError: no such file, another format, missing or malformed entries.
        """
        path = directory / FILE_NAME
        if not path.is_file():
            raise UserError(f"{path}: no such file; run `s2s prep` first")
        value = read_json(path)
        check_format(value.get("format"), FORMAT, path, "prepare the text again")
        return cls.from_json(value, path)

    @classmethod
    def from_json(cls, value: dict[str, Any], where: Path) -> "Facts":
        """The facts that stand in a larger file, or alone."""
        taken: dict[str, Any] = {}
        for field in fields(cls):
            entry = value.get(field.name)
            if type(entry) is not field.type:
                raise UserError(f"{where}: {field.name} is missing or malformed")
            taken[field.name] = entry
        for language in (taken["source_language"], taken["target_language"]):
            if not is_language(language):
                raise UserError(f"{where}: {language!r:.40} is not a language code")
        return cls(**taken)


def is_language(code: str) -> bool:
    """Whether ``code`` may be the suffix of files: no path, and not the suffix gz."""
    return bool(re.fullmatch(r"[A-Za-z0-9]+([-_][A-Za-z0-9]+)*", code)) and code != "gz"
