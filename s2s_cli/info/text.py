"""Facts under each other, their values aligned and folded at 80 columns."""

import textwrap
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from s2s_cli.console import COLUMNS, CONTROLS
from s2s_cli.locks import LOCK
from s2s_cli.text.facts import Facts
from s2s_cli.text.vocabulary import Vocabulary

FREQUENT_WORDS = 8
SHOWN_DIGITS = 16  # of a digest
Fact = tuple[str, str]


def facts_text(title: str, facts: Iterable[Fact]) -> str:
    """Write a title, and a line for each fact: its name and its value, which may be folded."""
    facts = [(name.translate(CONTROLS), value.translate(CONTROLS)) for name, value in facts]
    width = max(len(name) for name, _ in facts)
    lines = [title]
    for name, value in facts:
        start = f"  {name:{width}}  "
        folded = textwrap.wrap(
            value,
            COLUMNS - len(start),
            break_long_words=False,
            break_on_hyphens=False,
        )
        lines += [start + folded[0] if folded else start.rstrip()]
        lines += [" " * len(start) + line for line in folded[1:]]
    return "\n".join(lines)


def counts_facts(counts: Mapping[str, int]) -> list[Fact]:
    """Write a number for each name, under each other."""
    width = max((len(f"{count:,}") for count in counts.values()), default=0)
    return [(f"  {name}", f"{count:,}".rjust(width)) for name, count in counts.items()]


def direction(facts: Facts) -> str:
    order = "last word first" if facts.reverse_source else "in its own order"
    return f"{facts.source_language} → {facts.target_language}, the source read {order}"


def tokens(facts: Facts) -> str:
    """Describe how words, or pieces of words, are found."""
    words = "came tokenised" if facts.tokenised else f"raw text, tokenised by {facts.tokeniser}"
    if facts.nfc:
        words += ", letters composed (NFC)"
    if facts.subwords.learned:
        return f"{words}; pieces of words by {facts.subwords.kind}"
    if facts.subwords.given:
        return f"{words} and split by {facts.subwords.kind}"
    return words


def vocabulary_text(vocabulary: Vocabulary) -> str:
    frequent = " ".join(vocabulary.words[:FREQUENT_WORDS])
    return f"{len(vocabulary):,} with <EOS> and UNK; most frequent: {frequent}"


def vocabularies_json(facts: Facts, vocabularies: tuple[Vocabulary, Vocabulary]) -> dict[str, Any]:
    """The vocabularies by their side, with the most frequent words and their counts."""
    return {
        side: {
            "language": language,
            "size": len(vocabulary),
            "sha256": vocabulary.digest,
            "most_frequent": dict(
                zip(
                    vocabulary.words[:FREQUENT_WORDS],
                    vocabulary.counts[:FREQUENT_WORDS],
                    strict=True,
                )
            ),
        }
        for side, language, vocabulary in zip(
            ("source", "target"), facts.languages, vocabularies, strict=True
        )
    }


def shortened_digest(sha256: str) -> str:
    return f"{sha256[:SHOWN_DIGITS]}…"


def file_sizes(directory: Path) -> dict[str, int]:
    """Bytes of each plain file in ``directory``, by its name."""
    sizes = {}
    for path in sorted(directory.iterdir()):
        with suppress(FileNotFoundError):  # a training may be at work there
            if path.is_file() and path.name != LOCK:
                sizes[path.name] = path.stat().st_size
    return sizes


def files_facts(files: Mapping[str, int]) -> list[Fact]:
    return [("files", f"{len(files)}, {sum(files.values()):,} bytes"), *counts_facts(files)]
