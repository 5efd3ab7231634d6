"""The numericalised corpus: offsets in memory, ids on the disk until they are used."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from s2s_cli.data.ids import IdsFile, check_digest
from s2s_cli.data.manifest import Manifest
from s2s_cli.errors import UserError
from s2s_cli.files import read_json
from s2s_cli.text.facts import Facts
from s2s_cli.text.layout import MANIFEST, ids_file, offsets_file
from s2s_cli.text.vocabulary import EOS, Vocabulary


@dataclass(frozen=True, eq=False)
class Side:
    """The sentences of one language.

    Attributes:
        ids: int32 [words], all sentences one after another, without ``<EOS>``; the source stands
            reversed where the facts say so. In a file, or in memory.
        offsets: int64 [n + 1]; sentence i is ``ids[offsets[i] : offsets[i + 1]]``.
    """

    ids: IdsFile | Tensor
    offsets: Tensor

    def lengths(self) -> Tensor:
        """Words of each sentence, int64 [n]."""
        return self.offsets.diff()

    def __len__(self) -> int:
        return self.offsets.numel() - 1

    def __getitem__(self, index: int) -> Tensor:
        return self.gather(torch.tensor([index]))[1:-1]

    def gather(self, sentences: Tensor) -> Tensor:
        """Read the ids of some sentences, int32, with `EOS` before, between and after.

        Raises:
            UserError: the file is no longer what it was.
        """
        starts = self.offsets[sentences]
        lengths = self.offsets[sentences + 1] - starts
        if isinstance(self.ids, IdsFile):
            return self.ids.gather(starts, lengths)
        end = self.ids.new_tensor([EOS])
        parts = [end]
        for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
            parts += [self.ids[start : start + length], end]
        return torch.cat(parts)


@dataclass(frozen=True, eq=False)
class Split:
    """Sentence pairs: item i of ``source`` belongs to item i of ``target``."""

    source: Side
    target: Side

    def __len__(self) -> int:
        return len(self.source)

    def longest(self) -> tuple[int, int]:
        """Lengths in words of the longest source and of the longest target."""
        return int(self.source.lengths().max()), int(self.target.lengths().max())


@dataclass(frozen=True, eq=False)
class Corpus:
    """Vocabularies and sentence pairs that ``s2s vocab`` leaves for training.

    Attributes:
        valid: None where there is no validation text.
        digest: SHA-256 that changes whenever facts, vocabularies or sentences do.
        piece_models: what splits words, source first; none where no pieces were learned.
    """

    facts: Facts
    source_vocabulary: Vocabulary
    target_vocabulary: Vocabulary
    train: Split
    valid: Split | None
    digest: str
    piece_models: tuple[bytes, ...] = ()

    @classmethod
    def open(cls, directory: Path) -> "Corpus":
        """Open and check the corpus in ``directory``.

        Raises:
            UserError: not a corpus, another format, or files that do not belong together.
        """
        path = directory / MANIFEST
        if not path.is_file():
            raise UserError(f"{path}: no such file; run `s2s vocab` first")
        manifest = Manifest(path, read_json(path))
        facts = Facts.from_json(manifest.value("facts", kind=dict), path, manifest.format)
        languages = facts.languages
        manifest.check_splits()
        source, target = (manifest.vocabulary(directory, each) for each in languages)
        sizes = (len(source), len(target))
        train = open_split(directory, "train", languages, sizes, manifest)
        if train is None:
            raise UserError(f"{path}: no sentence pair in it; run `s2s prep` and `s2s vocab` again")
        valid = open_split(directory, "valid", languages, sizes, manifest)
        models = facts.subwords.read_models(directory, languages)
        return cls(facts, source, target, train, valid, manifest.digest, models)


def open_split(
    directory: Path,
    split: str,
    languages: tuple[str, str],
    sizes: tuple[int, int],
    manifest: Manifest,
) -> Split | None:
    """Open the pairs of ``split``; None where there are none."""
    if not manifest.has("splits", split) or manifest.count("splits", split, "pairs") == 0:
        return None
    source, target = (
        open_side(directory, split, language, size, manifest)
        for language, size in zip(languages, sizes, strict=True)
    )
    return Split(source, target)


def open_side(directory: Path, split: str, language: str, size: int, manifest: Manifest) -> Side:
    pairs = manifest.count("splits", split, "pairs")
    words = manifest.count("splits", split, "words", language)
    ids_path = ids_file(directory, split, language)
    offsets_path = offsets_file(directory, split, language)
    check_size(ids_path, words * torch.int32.itemsize, manifest)
    check_size(offsets_path, (pairs + 1) * torch.int64.itemsize, manifest)
    ids, offsets = IdsFile(ids_path, words, size), read_offsets(offsets_path, manifest)
    if offsets[0] != 0 or offsets[-1] != words or bool((offsets.diff() <= 0).any()):
        raise UserError(f"{offsets_path}: damaged (offsets); run `s2s vocab` again")
    ids.check(manifest.value("files", ids_path.name, "sha256", kind=str))
    return Side(ids, offsets)


def check_size(path: Path, expected: int, manifest: Manifest) -> None:
    """Refuse a file of another size than the manifest's, or whose size does not fit the words."""
    if manifest.count("files", path.name, "bytes") != expected:
        raise manifest.damaged(f"size of {path.name} does not fit the number of words")
    actual = path.stat().st_size if path.is_file() else None
    if actual != expected:
        found = "missing" if actual is None else f"{actual:,} bytes"
        raise UserError(
            f"{path}: damaged ({found}, expected {expected:,} bytes); run `s2s vocab` again"
        )


def read_offsets(path: Path, manifest: Manifest) -> Tensor:
    """Read all numbers of a file that `check_size` has passed."""
    content = bytearray(path.read_bytes())
    sha256 = manifest.value("files", path.name, "sha256", kind=str)
    check_digest(path, hashlib.sha256(content).hexdigest(), sha256)
    return torch.frombuffer(content, dtype=torch.int64)
