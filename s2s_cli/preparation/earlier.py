"""What an earlier ``s2s prep`` left in its directory, and what is somebody else's there."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from s2s_cli.errors import UserError
from s2s_cli.files import read_json
from s2s_cli.text.facts import FACTS_FILE, Facts, is_language
from s2s_cli.text.layout import MANIFEST, SPLITS, pieces_file, text_file

REPORT = "prep.json"
DROPPED = "dropped.tsv"


def output_files(
    directory: Path, splits: Iterable[str], languages: Iterable[str], *, pieces: bool
) -> set[Path]:
    """The files that ``prep`` writes, those with pieces of words included where it learns some."""
    languages = list(languages)
    texts = {text_file(directory, split, each) for split in splits for each in languages}
    models = {pieces_file(directory, each) for each in languages} if pieces else set()
    return texts | models | {directory / name for name in (REPORT, DROPPED, FACTS_FILE)}


def earlier_files(directory: Path) -> set[Path]:
    """The files that the last ``prep`` wrote there, by its report, and the manifest of a ``vocab``.

    Raises:
        UserError: there is a file with the report's name that is none.
    """
    path = directory / REPORT
    if not path.exists():
        return set()
    try:
        splits, languages, pieces = contents_of(read_json(path))
    except (KeyError, TypeError, AttributeError, ValueError):
        raise UserError(
            f"{path}: is no report of `s2s prep`; remove it, or give another --output"
        ) from None
    found = output_files(directory, splits, languages, pieces=pieces)
    return found | {directory / MANIFEST}


def contents_of(report: dict[str, Any]) -> tuple[list[str], list[str], bool]:
    """The splits and languages of a report, and whether pieces were learned.

    Raises:
        KeyError, TypeError, AttributeError, ValueError: it is none.
    """
    splits, languages = list(report["splits"]), list(report["odd_characters"])
    # A name with a path in it would have files elsewhere removed.
    if not set(splits) <= set(SPLITS) or not all(map(is_language, languages)):
        raise ValueError
    return splits, languages, any("pieces" in each for each in report["splits"].values())


def earlier_facts(directory: Path) -> Facts | None:
    """Read what the last ``prep`` decided; None where there was none, or it cannot be read."""
    try:
        return Facts.read(directory)
    except UserError:
        return None


def changed_settings(before: Facts, now: Facts) -> list[str]:
    """Name each setting that differs, with both values, as ``reverse-source was true, now false``.

    The pieces of words follow from the text, so only their kind is a setting.
    """
    old, new = decided(before), decided(now)
    if before.tokenised or now.tokenised:  # there is no other tokeniser then
        del old["tokeniser"], new["tokeniser"]
    return [f"{name} was {old[name]}, now {new[name]}" for name in old if old[name] != new[name]]


def decided(facts: Facts) -> dict[str, str]:
    """The decisions by the options of ``prep`` that they come from, as ``s2s.toml`` has them."""
    values = {
        "source-language": facts.source_language,
        "target-language": facts.target_language,
        "reverse-source": facts.reverse_source,
        "tokenised": facts.tokenised,
        "tokeniser": facts.raw_tokeniser,
        "nfc": facts.nfc,
        "subwords": facts.subwords.kind,
    }
    return {name: str(value).lower() for name, value in values.items()}


def refuse_foreign_files(directory: Path, languages: tuple[str, str], earlier: set[Path]) -> None:
    """Refuse to write where files with the names of ours are that no ``prep`` has made.

    Raises:
        UserError: names one.
    """
    ours = output_files(directory, SPLITS, languages, pieces=True) | {directory / MANIFEST}
    for path in sorted(ours - earlier):
        if os.path.lexists(path):
            raise UserError(
                f"{path}: was not made by an earlier `s2s prep`, which would replace or remove it; "
                "move it away, or give another --output"
            )
