"""What is known of a data directory."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s2s_cli.console import counted
from s2s_cli.data.manifest import Manifest
from s2s_cli.errors import UserError
from s2s_cli.files import read_json
from s2s_cli.info.text import (
    Fact,
    direction,
    facts_text,
    file_sizes,
    files_facts,
    shortened_digest,
    tokens,
    vocabularies_json,
    vocabulary_text,
)
from s2s_cli.json_fields import fits
from s2s_cli.preparation.earlier import REPORT
from s2s_cli.text.facts import FACTS_FORMAT, Facts
from s2s_cli.text.layout import CORPUS_SPLITS, MANIFEST, SPLITS
from s2s_cli.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class PreparedSplit:
    """Pairs that `s2s prep` read and kept, and dropped by reason."""

    read: int
    kept: int
    dropped: dict[str, int]

    @classmethod
    def from_json(cls, value: object) -> "PreparedSplit":
        """Make one of an entry of prep.json.

        Raises:
            ValueError: it is malformed.
        """
        match value:
            case {"read": int(read), "kept": int(kept), "dropped": dict(dropped)} if all(
                fits(each, int, low=0) for each in dropped.values()
            ):
                return cls(read, kept, dropped)
        raise ValueError

    def __str__(self) -> str:
        text = f"{counted(self.kept, 'pair')} of {self.read:,}"
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(self.dropped.items()))
        return f"{text}; dropped: {reasons}" if reasons else text


@dataclass(frozen=True)
class NumericalisedCorpus:
    """Vocabularies and counts that `s2s vocab` has made.

    Attributes:
        sha256: of corpus.json, by which trainings know their data.
        vocabularies: source first.
        pairs: of each split.
        words: running words by split and language.
        unknown: those that are not in the vocabulary, likewise.
    """

    sha256: str
    vocabularies: tuple[Vocabulary, Vocabulary]
    pairs: dict[str, int]
    words: dict[str, dict[str, int]]
    unknown: dict[str, dict[str, int]]

    @classmethod
    def read(cls, directory: Path, facts: Facts) -> "NumericalisedCorpus":
        """Read the manifest and the vocabularies.

        Raises:
            UserError: they are missing, damaged, or not of each other.
        """
        manifest = Manifest(directory / MANIFEST, read_json(directory / MANIFEST))
        manifest.check_splits()
        splits = [each for each in CORPUS_SPLITS if manifest.has("splits", each)]

        def counts(kind: str) -> dict[str, dict[str, int]]:
            return {
                split: {
                    each: manifest.count("splits", split, kind, each) for each in facts.languages
                }
                for split in splits
            }

        source, target = (manifest.vocabulary(directory, each) for each in facts.languages)
        pairs = {split: manifest.count("splits", split, "pairs") for split in splits}
        return cls(manifest.digest, (source, target), pairs, counts("words"), counts("unknown"))

    def coverage(self, split: str, language: str) -> float:
        """Percentage of the running words that are in the vocabulary."""
        words, unknown = self.words[split][language], self.unknown[split][language]
        return 100 * (words - unknown) / words if words else 100.0


@dataclass(frozen=True)
class DataInfo:
    """A data directory.

    Attributes:
        prepared: by split; empty where there is no report of `s2s prep`.
        corpus: None before `s2s vocab`.
        files: bytes by name.
    """

    directory: Path
    text: Facts
    prepared: dict[str, PreparedSplit]
    corpus: NumericalisedCorpus | None
    files: dict[str, int]

    @classmethod
    def read(cls, directory: Path) -> "DataInfo":
        """Read all but the text.

        Raises:
            UserError: a file is missing or damaged.
        """
        facts = Facts.read(directory)
        has_corpus = (directory / MANIFEST).exists()
        corpus = NumericalisedCorpus.read(directory, facts) if has_corpus else None
        return cls(directory, facts, read_report(directory), corpus, file_sizes(directory))

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": "data",
            "facts": self.text.entries(FACTS_FORMAT),
            "prepared": {name: vars(split) for name, split in self.prepared.items()} or None,
            "corpus": self.corpus_json(self.corpus) if self.corpus else None,
            "files": self.files,
        }

    def corpus_json(self, corpus: NumericalisedCorpus) -> dict[str, Any]:
        languages = self.text.languages
        return {
            "sha256": corpus.sha256,
            "vocabularies": vocabularies_json(self.text, corpus.vocabularies),
            "splits": {
                split: {
                    "pairs": pairs,
                    "words": corpus.words[split],
                    "unknown": corpus.unknown[split],
                    "coverage": {each: corpus.coverage(split, each) for each in languages},
                }
                for split, pairs in corpus.pairs.items()
            },
        }

    def as_text(self, title: str) -> str:
        return facts_text(title, self.facts())

    def facts(self) -> Iterator[Fact]:
        yield "kind", "prepared text"
        yield "direction", direction(self.text)
        yield "text", tokens(self.text)
        for name, split in self.prepared.items():
            yield name, str(split)
        if not self.prepared:
            yield "pairs read", f"not known: there is no {REPORT}"
        if self.corpus:
            yield from self.corpus_facts(self.corpus)
        else:
            yield "vocabularies", "none yet; `s2s vocab` makes them"
        yield from files_facts(self.files)

    def corpus_facts(self, corpus: NumericalisedCorpus) -> Iterator[Fact]:
        languages = zip(("source", "target"), self.text.languages, corpus.vocabularies, strict=True)
        for side, language, vocabulary in languages:
            yield f"{side} vocabulary", vocabulary_text(vocabulary)
            covered = [
                f"{corpus.coverage(each, language):.2f} % of {each}" for each in corpus.pairs
            ]
            yield "  covers", ", ".join(covered)
        for split, pairs in corpus.pairs.items():
            source, target = (f"{count:,}" for count in corpus.words[split].values())
            units = self.text.subwords.units
            yield f"{split} as ids", f"{counted(pairs, 'pair')}, {source} and {target} {units}"
        yield "corpus.json", f"SHA-256 {shortened_digest(corpus.sha256)}"


def read_report(directory: Path) -> dict[str, PreparedSplit]:
    """Read the report of `s2s prep`; empty where there is none.

    Raises:
        UserError: a file that is none.
    """
    path = directory / REPORT
    if not path.exists():
        return {}
    splits = read_json(path).get("splits")
    try:
        if not isinstance(splits, dict) or not set(splits) <= set(SPLITS):
            raise ValueError
        return {name: PreparedSplit.from_json(each) for name, each in splits.items()}
    except ValueError:
        raise UserError(f"{path}: is no report of `s2s prep`; run it again") from None
