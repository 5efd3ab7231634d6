"""From prepared text to vocabularies and fixed-width ids on disk; ``s2s vocab``."""

import hashlib
import shutil
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

from s2s_cli.atomic_files import AtomicFiles
from s2s_cli.console import progress_over, say
from s2s_cli.data.counting import count_words, most_frequent, read_word_lines
from s2s_cli.errors import UserError
from s2s_cli.files import count_lines, read_json, refuse_pipe
from s2s_cli.locks import exclusive_lock
from s2s_cli.settings import MANY, WRITES, setting
from s2s_cli.text.facts import Facts
from s2s_cli.text.layout import (
    AT_WORK,
    CORPUS_SPLITS,
    MANIFEST,
    ids_file,
    offsets_file,
    text_file,
    vocabulary_file,
)
from s2s_cli.text.vocabulary import UNK, Vocabulary

BUFFERED_WORDS = 1 << 18


@dataclass(frozen=True)
class VocabConfig:
    """Sizes of the vocabularies."""

    data: Path = setting(Path("data"), "Directory that `s2s prep` wrote.", writes=WRITES)
    source_size: int = setting(
        160_000, "Largest size of the source vocabulary, with <EOS> and UNK.", min=3, max=MANY
    )
    target_size: int = setting(
        80_000, "Largest size of the target vocabulary, likewise.", min=3, max=MANY
    )
    min_count: int = setting(
        1, "Leave out words that occur fewer times in the training text.", min=1, max=MANY
    )


@dataclass
class LanguageReport:
    """One language of the training text, and how much of the running words is known."""

    language: str
    types: int
    vocabulary: Vocabulary
    words: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)

    def coverage(self, split: str) -> float:
        """Percentage of the running words of ``split`` that are in the vocabulary."""
        words = self.words[split]
        return 100 * (words - self.unknown[split]) / words if words else 100.0


@dataclass
class VocabReport:
    """Report of ``s2s vocab``."""

    languages: list[LanguageReport]
    pairs: dict[str, int]
    files: dict[str, dict[str, Any]]
    unit: str = "words"

    @property
    def bytes(self) -> int:
        return sum(entry["bytes"] for entry in self.files.values())

    def lines(self) -> list[str]:
        """A short summary."""
        lines = []
        for each in self.languages:
            covered = ", ".join(f"{each.coverage(split):.2f} % of {split}" for split in each.words)
            lines += [
                f"{each.language}: {each.words['train']:,} {self.unit}, {each.types:,} types",
                f"{each.language}: vocabulary of {len(each.vocabulary):,} covers {covered}",
            ]
        pairs = ", ".join(f"{count:,} {split}" for split, count in self.pairs.items())
        return [*lines, f"pairs: {pairs}; {self.bytes:,} bytes of ids on disk"]


def numericalise(config: VocabConfig) -> VocabReport:
    """Choose both vocabularies and write the text as ids (`s2s_cli.data.corpus` reads them).

    All files appear at the end, the manifest last.

    Raises:
        UserError: text that ``prep`` did not write; no room on the disk; another process is at work
            there.
    """
    facts = Facts.read(config.data)
    with exclusive_lock(config.data, AT_WORK):
        return write_corpus(config, facts)


def write_corpus(config: VocabConfig, facts: Facts) -> VocabReport:
    """Do the work of `numericalise`, with the directory locked."""
    languages = choose_vocabularies(config, facts)
    splits = [
        split
        for split in CORPUS_SPLITS
        if text_file(config.data, split, facts.source_language).exists()
    ]
    report = VocabReport(languages, {}, {}, facts.subwords.units)
    check_disk_space(config.data, languages)
    with AtomicFiles() as outputs:
        for split in splits:
            write_split(config.data, split, facts, report, outputs)
        for each in languages:
            each.vocabulary.write_with(outputs, vocabulary_file(config.data, each.language))
        # From there to the last file there is no manifest: a kill leaves no corpus.
        outputs.remove(config.data / MANIFEST)
        if "valid" not in splits:
            for path in earlier_ids(config.data, "valid", languages):
                outputs.remove(path)
        outputs.write_json(config.data / MANIFEST, make_manifest(facts, report))
    return report


def choose_vocabularies(config: VocabConfig, facts: Facts) -> list[LanguageReport]:
    sizes = (
        (facts.source_language, config.source_size),
        (facts.target_language, config.target_size),
    )
    languages = []
    for language, size in sizes:
        say(f"counting the words of {text_file(config.data, 'train', language)}")
        refuse_pipe(text_file(config.data, "train", language))
        counts = count_words(text_file(config.data, "train", language))
        vocabulary = most_frequent(counts, size, config.min_count)
        if not vocabulary.words:
            raise UserError(
                f"{text_file(config.data, 'train', language)}: no word comes {config.min_count:,} "
                "times: the vocabulary would be empty; lower --min-count"
            )
        report = LanguageReport(language, len(counts), vocabulary)
        report.words["train"] = counts.total()
        languages.append(report)
    return languages


def check_disk_space(directory: Path, languages: list[LanguageReport]) -> None:
    """Say what the ids of the training text will take, and refuse where the disk is full."""
    needed = sum(4 * each.words["train"] for each in languages)
    free = shutil.disk_usage(directory).free
    say(f"writing about {needed:,} bytes of ids to {directory}")
    if needed > free:
        raise UserError(f"{directory}: only {free:,} bytes are free on this disk")


def write_split(
    directory: Path, split: str, facts: Facts, report: VocabReport, outputs: AtomicFiles
) -> None:
    """Write the ids of both sides; entries of the manifest go into ``report``."""
    pairs = []
    for each in report.languages:
        reverse = facts.reverse_source and each.language == facts.source_language
        writer = IdsWriter(directory, split, each.language, outputs)
        text = text_file(directory, split, each.language)
        refuse_pipe(text)
        encoded = encode_lines(text, each.vocabulary, reverse)
        total = partial(count_lines, text)
        with progress_over(encoded, f"writing {split}.{each.language}", total, "lines") as shown:
            for ids in shown:
                writer.add(ids)
                if len(writer.ids) >= BUFFERED_WORDS:
                    writer.flush()
        report.files.update(writer.finish())
        each.words[split], each.unknown[split] = writer.words, writer.unknown
        pairs.append(writer.pairs)
    if pairs[0] != pairs[1]:
        names = [str(text_file(directory, split, each.language)) for each in report.languages]
        raise UserError(
            f"{names[0]} has {pairs[0]:,} lines and {names[1]} has {pairs[1]:,}; "
            "run `s2s prep` again"
        )
    report.pairs[split] = pairs[0]


def encode_lines(path: Path, vocabulary: Vocabulary, reverse: bool) -> Iterator["array[int]"]:
    """Yield the ids of each line, last word first where ``reverse``."""
    look_up = vocabulary.ids.get
    for words in read_word_lines(path):
        if reverse:
            words.reverse()
        yield array("i", map(look_up, words, repeat(UNK)))


class IdsWriter:
    """Writes the ids of sentences and their offsets, a buffer at a time."""

    def __init__(self, directory: Path, split: str, language: str, outputs: AtomicFiles) -> None:
        self.ids = array("i")
        self.offsets = array("q", [0])
        self.pairs = self.words = self.unknown = 0
        self.outputs = [
            HashedOutput(path, outputs)
            for path in (
                ids_file(directory, split, language),
                offsets_file(directory, split, language),
            )
        ]

    def add(self, ids: "array[int]") -> None:
        self.ids.extend(ids)
        self.offsets.append(self.words + len(self.ids))
        self.pairs += 1

    def flush(self) -> None:
        """Write the buffers."""
        self.words += len(self.ids)
        self.unknown += self.ids.count(UNK)
        for output, buffer in zip(self.outputs, (self.ids, self.offsets), strict=True):
            output.write(buffer)
            del buffer[:]

    def finish(self) -> dict[str, dict[str, Any]]:
        self.flush()
        return {output.path.name: output.entry() for output in self.outputs}


class HashedOutput:
    """A file of little-endian integers that knows its size and SHA-256."""

    def __init__(self, path: Path, outputs: AtomicFiles) -> None:
        self.path = path
        self.stream = outputs.open(path)
        self.hash = hashlib.sha256()
        self.bytes = 0

    def write(self, numbers: "array[int]") -> None:
        if sys.byteorder == "big":
            numbers.byteswap()
        self.hash.update(numbers)
        self.stream.write(numbers)
        self.bytes += len(numbers) * numbers.itemsize

    def entry(self) -> dict[str, Any]:
        return {"bytes": self.bytes, "sha256": self.hash.hexdigest()}


def earlier_ids(directory: Path, split: str, languages: list[LanguageReport]) -> list[Path]:
    """The files of ``split`` that an earlier ``vocab`` wrote, by its manifest."""
    try:
        written = read_json(directory / MANIFEST)["files"]
    except (UserError, KeyError):
        return []
    paths = [
        make(directory, split, each.language)
        for each in languages
        for make in (ids_file, offsets_file)
    ]
    return [path for path in paths if isinstance(written, dict) and path.name in written]


def make_manifest(facts: Facts, report: VocabReport) -> dict[str, Any]:
    """Make the content of corpus.json: enough to notice any file that is not of this corpus."""
    return {
        "format": facts.format,
        "facts": facts.entries(facts.format),
        "vocabularies": {
            each.language: {"size": len(each.vocabulary), "digest": each.vocabulary.digest}
            for each in report.languages
        },
        "splits": {
            split: {
                "pairs": pairs,
                "words": {each.language: each.words[split] for each in report.languages},
                "unknown": {each.language: each.unknown[split] for each in report.languages},
            }
            for split, pairs in report.pairs.items()
        },
        "files": report.files,
    }
