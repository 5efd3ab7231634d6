"""The description of a model: all of its directory but the weights. No torch.

``model.json`` holds the shape, the facts of the text and the digests of the vocabularies; beside
it lie the two vocabularies, and the models that split words, where there are any.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s2s_cli.atomic_files import AtomicFiles
from s2s_cli.errors import UserError
from s2s_cli.files import check_format, read_json
from s2s_cli.model.config import Shape
from s2s_cli.text.facts import FACTS_FORMAT as DESCRIPTION_FORMAT
from s2s_cli.text.facts import SUBWORDS_FACTS_FORMAT as VARIANTS_FORMAT
from s2s_cli.text.facts import Facts
from s2s_cli.text.layout import pieces_file
from s2s_cli.text.vocabulary import Vocabulary

DESCRIPTION = "model.json"
BEST = "best.pt"
LAST = "last.pt"
# Weights of a validation, by the updates before it, where a training keeps them.
KEPT_UPDATE = re.compile(r"update-([1-9][0-9]{0,14})\.pt")
# Likewise of an export, which `s2s_cli.model.onnx_export` writes.
CONTENTS = "export.json"
EXPORT_FORMAT = 1


@dataclass(frozen=True)
class Description:
    """Description of a model, without its weights."""

    shape: Shape
    facts: Facts
    source_vocabulary: Vocabulary
    target_vocabulary: Vocabulary
    piece_models: tuple[bytes, ...] = ()  # of SentencePiece, where pieces were learned

    def write(self, directory: Path) -> None:
        """Write what is beside ``model.json``, and that file, which names the digests."""
        with AtomicFiles() as files:
            self.write_with(files, directory)

    def write_with(self, files: AtomicFiles, directory: Path) -> None:
        """Write like `write`, together with other files."""
        for language, model in zip(self.facts.languages, self.piece_models, strict=False):
            files.open(pieces_file(directory, language)).write(model)
        for language, vocabulary in self._vocabularies():
            vocabulary.write_with(files, vocabulary_path(directory, language))
        files.write_json(directory / DESCRIPTION, self.as_json())

    def is_whole(self, directory: Path) -> bool:
        """True where all files that `write` makes are there, whatever is in them."""
        languages = self.facts.languages
        pieces = [pieces_file(directory, each) for each in languages[: len(self.piece_models)]]
        paths = [directory / DESCRIPTION, *pieces]
        paths += [vocabulary_path(directory, each) for each in languages]
        return all(path.is_file() for path in paths)

    def is_written(self, directory: Path) -> bool:
        """True where ``directory`` holds this very description."""
        try:
            return Description.read(directory).as_json() == self.as_json()
        except UserError:
            return False

    def as_json(self) -> dict[str, Any]:
        """Content of ``model.json``."""
        number = self.facts.format
        if not self.shape.plain:
            number = max(number, VARIANTS_FORMAT)
        return {
            "format": number,
            "shape": self.shape.as_json(),
            "facts": self.facts.entries(number),
            "vocabularies": {
                language: vocabulary.digest for language, vocabulary in self._vocabularies()
            },
        }

    def _vocabularies(self) -> tuple[tuple[str, Vocabulary], tuple[str, Vocabulary]]:
        return (
            (self.facts.source_language, self.source_vocabulary),
            (self.facts.target_language, self.target_vocabulary),
        )

    @classmethod
    def read(cls, directory: Path) -> "Description":
        """Read a model directory's description and vocabularies.

        Raises:
            UserError: not a model directory, another format, or files that do not belong together.
        """
        path = directory / DESCRIPTION
        if not path.is_file():
            raise UserError(
                f"{directory}: not a model directory (no {DESCRIPTION}); `s2s train` makes one"
            )
        value = read_json(path)
        number = check_format(value.get("format"), DESCRIPTION_FORMAT, path, "train again")
        try:
            shape = Shape.from_json(value.get("shape"))
        except ValueError as error:
            raise UserError(f"{path}: {error}") from None
        facts = Facts.from_json(entry(path, value, "facts"), path, number)
        source, target = (
            read_vocabulary(directory, language, size, entry(path, value, "vocabularies"))
            for language, size in (
                (facts.source_language, shape.source_vocabulary),
                (facts.target_language, shape.target_vocabulary),
            )
        )
        models = facts.subwords.read_models(directory, facts.languages)
        return cls(shape, facts, source, target, models)


def entry(path: Path, value: dict[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    if not isinstance(found, dict):
        raise UserError(f"{path}: {name} is missing or malformed")
    return found


def vocabulary_path(directory: Path, language: str) -> Path:
    """Path of the vocabulary of ``language``; a code that is a path leads out of nothing."""
    return directory / f"vocab.{Path(language).name}"


def read_vocabulary(
    directory: Path, language: str, size: int, digests: dict[str, Any]
) -> Vocabulary:
    path = vocabulary_path(directory, language)
    vocabulary = Vocabulary.read(path)
    if len(vocabulary) != size or vocabulary.digest != digests.get(language):
        raise UserError(f"{path}: is not the vocabulary that the model was trained with")
    return vocabulary


def model_directory(model: Path) -> Path:
    """The directory of ``model``, which is that, or a file of weights in it."""
    return model.parent if model.is_file() else model


def update_file(directory: Path, updates: int) -> Path:
    """The file of weights that were kept after so many updates."""
    return directory / f"update-{updates}.pt"


def kept_updates(directory: Path) -> list[int]:
    """The updates after which weights were kept, in their order."""
    names = [each.name for each in directory.iterdir()] if directory.is_dir() else []
    return sorted(int(found[1]) for name in names if (found := KEPT_UPDATE.fullmatch(name)))
