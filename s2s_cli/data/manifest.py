"""The manifest of a numericalised corpus, corpus.json. No torch."""

import hashlib
import json
from pathlib import Path
from typing import Any

from s2s_cli.errors import UserError
from s2s_cli.files import check_format
from s2s_cli.json_fields import fits
from s2s_cli.text.facts import FACTS_FORMAT
from s2s_cli.text.layout import CORPUS_SPLITS, vocabulary_file
from s2s_cli.text.vocabulary import Vocabulary


class Manifest:
    """The entries of corpus.json, each checked for its type where it is taken."""

    def __init__(self, path: Path, content: dict[str, Any]) -> None:
        self.path = path
        self.content = content
        remedy = "run `s2s vocab` again"
        self.format = check_format(content.get("format"), FACTS_FORMAT, path, remedy)

    @property
    def digest(self) -> str:
        text = json.dumps(self.content, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def value(self, *keys: str, kind: type) -> Any:
        """Look up the entry at ``keys``, one level each.

        Raises:
            UserError: missing, or not of type ``kind``.
        """
        entry: Any = self.content
        for key in keys:
            entry = entry.get(key) if isinstance(entry, dict) else None
        if not fits(entry, kind):
            raise self.damaged(f"{' → '.join(keys)} is missing or malformed")
        return entry

    def count(self, *keys: str) -> int:
        """Look up the entry at ``keys``, a number of things."""
        number: int = self.value(*keys, kind=int)
        if number < 0:
            raise self.damaged(f"{' → '.join(keys)} is negative")
        return number

    def has(self, *keys: str) -> bool:
        *outer, last = keys
        return last in self.value(*outer, kind=dict)

    def check_splits(self) -> None:
        """Refuse a split that a damaged name or count hides: it is not one that is missing.

        Raises:
            UserError: an unknown name, or words where there are no pairs.
        """
        for split in self.value("splits", kind=dict):
            if split not in CORPUS_SPLITS:
                raise self.damaged(f"splits → {split!r:.40} is no split")
            words = self.value("splits", split, "words", kind=dict).values()
            if not self.count("splits", split, "pairs") and any(words):
                raise self.damaged(f"splits → {split} has words and no pairs")

    def vocabulary(self, directory: Path, language: str) -> Vocabulary:
        """Read the vocabulary of ``language``.

        Raises:
            UserError: it is damaged, or of another corpus.
        """
        path = vocabulary_file(directory, language)
        vocabulary = Vocabulary.read(path)
        if vocabulary.digest != self.value("vocabularies", language, "digest", kind=str):
            raise UserError(f"{path}: not the vocabulary of this corpus; run `s2s vocab` again")
        return vocabulary

    def damaged(self, what: str) -> UserError:
        return UserError(f"{self.path}: {what}; run `s2s vocab` again")
