"""The model directory: what ``train`` leaves and all that ``decode`` and ``rescore`` need.

``model.json`` holds the shape, the facts of the text and the digests of the vocabularies; beside
it lie the two vocabularies, ``best.pt`` (weights of the best validation) and ``last.pt`` (weights
and the state of training).
"""

import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from s2s_cli.atomic_files import AtomicFiles, keep_as, move, remove_abandoned
from s2s_cli.errors import DamagedFileError, UserError, is_out_of_memory
from s2s_cli.files import check_format, is_utf8, read_json
from s2s_cli.model.archive import DamagedError, check_archive, check_content
from s2s_cli.model.config import Shape
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.text.facts import FACTS_FORMAT as DESCRIPTION_FORMAT
from s2s_cli.text.facts import SUBWORDS_FACTS_FORMAT as VARIANTS_FORMAT
from s2s_cli.text.facts import Facts
from s2s_cli.text.layout import pieces_file
from s2s_cli.text.vocabulary import Vocabulary

WEIGHTS_FORMAT = 1
DESCRIPTION = "model.json"
BEST = "best.pt"
LAST = "last.pt"
PREVIOUS = "last.previous.pt"
DAMAGED = "last.damaged.pt"
TABLES = ("source_embedding.weight", "target_embedding.weight")


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


def save_tensors(path: Path, content: dict[str, Any], *, previous: Path | None = None) -> None:
    """Write plain containers and tensors, whole or not at all.

    Args:
        path: the file.
        content: what to write.
        previous: the name under which the file that was there before stays; None: it goes.

    Raises:
        UserError: the disk has no room for it.
    """
    require_room(path, tensor_bytes(content))
    with AtomicFiles() as files:
        file = files.new(path)
        try:
            torch.save({"format": WEIGHTS_FORMAT, **content}, file.stream)
        except RuntimeError:  # what torch makes of a stream that fails
            if file.raw.error is None:
                raise
            raise file.raw.error from None
        if previous:
            files.keep_as(path, previous)


def tensor_bytes(content: Any) -> int:
    """Bytes of all tensors in ``content``."""
    if isinstance(content, Tensor):
        return content.numel() * content.element_size()
    if isinstance(content, dict):
        content = content.values()
    elif not isinstance(content, list | tuple):
        return 0
    return sum(map(tensor_bytes, content))


def require_room(path: Path, needed: int) -> None:
    """Refuse to begin a file for which the disk has no room.

    Raises:
        UserError: says what is needed and what is free.
    """
    directory = next(each for each in path.absolute().parents if each.is_dir())
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise UserError(
            f"{path}: needs {needed:,} bytes, and {free:,} are free on this disk; make room, and "
            "the same command goes on from the last checkpoint"
        )


def remove_half_written(directory: Path) -> None:
    """Remove what a kill in the middle of `save_tensors` left: files as large as the model."""
    for name in (BEST, LAST):
        remove_abandoned(directory / name)


def replace_damaged(directory: Path) -> None:
    """Put the checkpoint before the last in its place, and keep the damaged one apart."""
    last = directory / LAST
    if last.is_file():
        move(last, directory / DAMAGED)
    keep_as(directory / PREVIOUS, last)


def load_tensors(path: Path, *, mapped: bool = True) -> dict[str, Any]:
    """Read what `save_tensors` wrote, running no code from the file.

    Args:
        path: the file.
        mapped: leave the tensors on the disk until they are touched.

    Raises:
        UserError: the file is missing, damaged, or not of this kind.
    """
    damaged = (
        f"{path}: damaged, or not a file that `s2s train` wrote (%s); take a copy that is whole, "
        "or train again"
    )
    try:
        check_archive(path)
        with path.open("rb") as stream:
            # PyTorch opens no name that is not UTF-8.
            name = path if is_utf8(str(path)) else Path(f"/dev/fd/{stream.fileno()}")
            content = torch.load(name, map_location="cpu", mmap=mapped, weights_only=True)
        check_content(content, path.stat().st_size)
    except OSError as error:
        if error.strerror:
            raise
        raise DamagedFileError(damaged % error) from None
    except DamagedError as error:
        raise DamagedFileError(damaged % error) from None
    except Exception as error:  # there is no end to what the reader raises for bytes of any kind
        if is_out_of_memory(error) and "overflow" not in str(error):
            raise
        raise DamagedFileError(damaged % "PyTorch cannot read it") from None
    if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
        raise UserError(f"{path}: holds no model")
    check_format(content.get("format"), WEIGHTS_FORMAT, path, "train again")
    return content


def weights_path(model: Path) -> Path:
    """The weights that ``--model`` means: the file itself, or the best in a directory."""
    if model.is_file():
        return model
    best = model / BEST
    return best if best.is_file() else model / LAST


def model_directory(model: Path) -> Path:
    """The directory of ``model``, which is that, or a file of weights in it."""
    return model.parent if model.is_file() else model


def load_model(
    model: Path, device: torch.device, *, tables_checked: bool = True
) -> tuple[Seq2Seq, Description]:
    """A trained model, ready to use.

    Args:
        model: a model directory, or a file of weights in one (``model/last.pt``).
        device: where its weights go; on a CPU they stay in the file until they are touched.
        tables_checked: whether the embeddings are looked through, too, for numbers that are not
            finite; who reads a few rows of large tables looks at those.

    Raises:
        UserError: not a model directory, or weights that do not fit its description.
    """
    directory = model_directory(model)
    description = Description.read(directory)
    path = weights_path(model)
    if not path.is_file():
        raise UserError(f"{directory}: has no weights yet; let `s2s train` run to a checkpoint")
    network = with_weights(
        description.shape,
        load_tensors(path)["model"],
        path,
        tables_checked or not description.shape.plain,
    )
    return network.to(device).eval().requires_grad_(False), description


def with_weights(
    shape: Shape, weights: dict[str, Tensor], path: Path, tables_checked: bool = True
) -> Seq2Seq:
    """A model of ``shape`` around the tensors of ``path``, which are not copied.

    Raises:
        UserError: they are not the tensors of such a model, or not finite numbers.
    """
    misfit = UserError(f"{path}: its weights do not fit {DESCRIPTION} beside it")
    if max(shape.layers, shape.depth) > len(weights):
        raise misfit  # before so many layers are made
    try:
        with torch.device("meta"):
            network = Seq2Seq(shape)
        network.load_state_dict(weights, assign=True)
    except (RuntimeError, AttributeError, TypeError, ValueError, OverflowError):
        raise misfit from None
    for name, each in network.named_parameters():
        if each.dtype != torch.float32 or each.layout != torch.strided or each.is_meta:
            raise UserError(f"{path}: {name} is not a table of 32-bit numbers")
        if name in TABLES and not tables_checked:
            continue
        if not all(map(math.isfinite, each.detach().aminmax())):
            raise UserError(f"{path}: {name} holds numbers that are not finite")
    return network
