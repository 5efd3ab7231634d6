"""Decisions made when the text was prepared, which hold wherever a model reads text."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from s2s_cli.errors import UserError
from s2s_cli.files import check_format, read_json, write_json
from s2s_cli.json_fields import FieldError, from_json, required_fields
from s2s_cli.text.subwords import NO_SUBWORDS, Subwords
from s2s_cli.text.tokenise import RawTokeniserKind, Tokeniser, TokeniserKind, make_tokeniser

# Of all files with facts in them; the lowest that holds them is written. The first knows no pieces
# of words, the second no rules of text but the first ones.
PLAIN_FACTS_FORMAT, SUBWORDS_FACTS_FORMAT, FACTS_FORMAT = 1, 2, 3
FACTS_FILE = "facts.json"


@dataclass(frozen=True)
class Facts:
    """Decisions of ``prep``, which travel with the data to ``decode`` and ``rescore``.

    Attributes:
        source_language: code of the source language, also the suffix of its files.
        target_language: likewise for the target.
        tokenised: the text came already tokenised, so a word is what stands between spaces.
        reverse_source: the encoder reads the source last word first (§3.3). The text files keep
            their natural order; words are reversed where they become ids.
        tokeniser: name and version of the tokeniser, for the record.
        subwords: how words are split into the pieces that have ids.
        raw_tokeniser: how words are found in raw text, where it is not tokenised.
        nfc: letters and their marks are composed (NFC of Unicode), in raw and tokenised text.
    """

    source_language: str
    target_language: str
    tokenised: bool
    reverse_source: bool
    tokeniser: str
    subwords: Subwords = NO_SUBWORDS
    raw_tokeniser: RawTokeniserKind = "sacremoses"
    nfc: bool = False

    @property
    def format(self) -> int:
        """Lowest format in which they can be written."""
        if self.nfc or not (self.tokenised or self.raw_tokeniser == "sacremoses"):
            return FACTS_FORMAT
        return PLAIN_FACTS_FORMAT if self.subwords == NO_SUBWORDS else SUBWORDS_FACTS_FORMAT

    def tokenisers(self, *, tokenised: bool) -> tuple[Tokeniser, Tokeniser]:
        """Make the tokenisers of source and target.

        ``tokenised``: the words of the text at hand stand between spaces, whatever the model's own
        text was like.
        """
        kind: TokeniserKind = "spaces" if tokenised or self.tokenised else self.raw_tokeniser
        source, target = (make_tokeniser(kind, each, nfc=self.nfc) for each in self.languages)
        return source, target

    @property
    def languages(self) -> tuple[str, str]:
        return self.source_language, self.target_language

    def write(self, directory: Path) -> None:
        write_json(directory / FACTS_FILE, self.as_json())

    def as_json(self) -> dict[str, Any]:
        """The content of facts.json."""
        return {"format": self.format, **self.entries(self.format)}

    def entries(self, number: int) -> dict[str, Any]:
        """The entries of a file of format ``number``."""
        plain = {name: getattr(self, name) for name in PLAIN_ENTRIES}
        if number == PLAIN_FACTS_FORMAT:
            return plain
        entries = {**plain, "subwords": self.subwords.as_json(self.languages)}
        if number == SUBWORDS_FACTS_FORMAT:
            return entries
        return {**entries, **{name: getattr(self, name) for name in RULES_ENTRIES}}

    @classmethod
    def read(cls, directory: Path) -> "Facts":
        """Read the facts that ``s2s prep`` left in ``directory``.

        Raises:
            UserError: no such file, another format, missing or malformed entries.
        """
        path = directory / FACTS_FILE
        if not path.is_file():
            raise UserError(f"{path}: no such file; run `s2s prep` first")
        value = read_json(path)
        number = check_format(value.get("format"), FACTS_FORMAT, path, "prepare the text again")
        return cls.from_json(value, path, number)

    @classmethod
    def from_json(cls, value: dict[str, Any], where: Path, number: int) -> "Facts":
        """Read facts from a parsed file of format ``number``, or from an entry of one."""
        names = PLAIN_ENTRIES if number < FACTS_FORMAT else [*PLAIN_ENTRIES, *RULES_ENTRIES]
        try:
            facts = from_json(cls, {name: value.get(name) for name in names}, "facts")
        except FieldError as error:
            raise UserError(f"{where}: {error.name} is missing or malformed") from None
        for language in facts.languages:
            if not is_language(language):
                raise UserError(f"{where}: {language!r:.40} is not a language code")
        if number == PLAIN_FACTS_FORMAT:
            return facts
        subwords = Subwords.from_json(value.get("subwords"), facts.languages, where)
        return replace(facts, subwords=subwords)


# Those of the first format: a field that is added later has a default, and needs a new format.
PLAIN_ENTRIES = required_fields(Facts)
RULES_ENTRIES = ("raw_tokeniser", "nfc")


def is_language(code: str) -> bool:
    """Return whether ``code`` may be the suffix of files: no path, and not the suffix gz."""
    return bool(re.fullmatch(r"[A-Za-z0-9]+([-_][A-Za-z0-9]+)*", code)) and code != "gz"
