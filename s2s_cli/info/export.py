"""What is known of a directory that `s2s export` wrote."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from s2s_cli.errors import UserError
from s2s_cli.files import check_format, read_json
from s2s_cli.info.model import parameters_json, shape_facts
from s2s_cli.info.text import (
    Fact,
    direction,
    facts_text,
    file_sizes,
    files_facts,
    tokens,
    vocabularies_json,
    vocabulary_text,
)
from s2s_cli.model.config import Shape
from s2s_cli.model.description import CONTENTS, EXPORT_FORMAT, entry, vocabulary_path
from s2s_cli.text.facts import (
    FACTS_FORMAT,
    PLAIN_FACTS_FORMAT,
    SUBWORDS_FACTS_FORMAT,
    Facts,
)
from s2s_cli.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class ExportInfo:
    """An exported model.

    Attributes:
        vocabularies: source first.
        files: bytes by name.
    """

    directory: Path
    shape: Shape
    text: Facts
    vocabularies: tuple[Vocabulary, Vocabulary]
    files: dict[str, int]

    @classmethod
    def read(cls, directory: Path) -> "ExportInfo":
        """Read all but the graphs.

        Raises:
            UserError: a file is missing or damaged.
        """
        path = directory / CONTENTS
        value = read_json(path)
        check_format(value.get("format"), EXPORT_FORMAT, path, "export again")
        try:
            shape = Shape.from_json(value.get("shape"))
        except ValueError as error:
            raise UserError(f"{path}: {error}") from None
        found = entry(path, value, "facts")
        facts = Facts.from_json(found, path, lowest_format(found))
        source, target = (
            Vocabulary.read(vocabulary_path(directory, each)) for each in facts.languages
        )
        if (len(source), len(target)) != (shape.source_vocabulary, shape.target_vocabulary):
            raise UserError(f"{path}: the vocabularies are not those of this export; export again")
        return cls(directory, shape, facts, (source, target), file_sizes(directory))

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": "export",
            "shape": asdict(self.shape),
            "facts": self.text.entries(FACTS_FORMAT),
            "parameters": parameters_json(self.shape),
            "vocabularies": vocabularies_json(self.text, self.vocabularies),
            "files": self.files,
        }

    def as_text(self, title: str) -> str:
        return facts_text(title, self.facts())

    def facts(self) -> Iterator[Fact]:
        yield "kind", "model exported as ONNX"
        yield "direction", direction(self.text)
        yield "text", tokens(self.text)
        yield from shape_facts(self.shape)
        for side, vocabulary in zip(("source", "target"), self.vocabularies, strict=True):
            yield f"{side} vocabulary", vocabulary_text(vocabulary)
        yield from files_facts(self.files)


def lowest_format(entries: dict[str, Any]) -> int:
    """The format of facts that an export has, which names none."""
    if "raw_tokeniser" in entries:
        return FACTS_FORMAT
    return SUBWORDS_FACTS_FORMAT if "subwords" in entries else PLAIN_FACTS_FORMAT
