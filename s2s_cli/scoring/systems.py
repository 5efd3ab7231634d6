"""Translations of one text by several systems, line by line beside source and reference."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from s2s_cli.console import counted
from s2s_cli.errors import UsageError, UserError
from s2s_cli.files import STDIO, name_of
from s2s_cli.scoring.texts import ScoringConfig, Texts, check_counts, make_texts, read_once
from s2s_cli.text.tokenise import make_tokeniser


@dataclass(frozen=True)
class TextForm:
    """The languages of source and translations, and whether they are split into words.

    Attributes:
        source_language, language: of the source, and of reference and translations.
        tokenised: the words of all of them stand between spaces.
    """

    source_language: str
    language: str
    tokenised: bool


@dataclass(frozen=True)
class Systems:
    """N lines of a source text and their translations.

    Attributes:
        sources, references: N lines each, as they were read; no sources where they are not known.
        words: the words of each source line; none of a blank one.
        texts: by the name of each system, its N lines beside the reference.
    """

    sources: list[str]
    references: list[str]
    words: list[list[str]]
    texts: dict[str, Texts]


def read_systems(
    source: Path | None,
    reference: Path,
    translations: Sequence[Path],
    names: Sequence[str],
    form: TextForm,
) -> Systems:
    """Read all files, of which there may be no ``source``.

    Raises:
        UserError: stdin named twice; a file cannot be read, has no lines or another number of them.
    """
    given = [reference, *translations] if source is None else [reference, source, *translations]
    if given.count(STDIO) > 1:
        raise UsageError("stdin can be one of the texts; name files for the others")
    lines = read_once(given)
    references, sources = lines[reference], lines[source] if source else []
    if not references:
        raise UserError(f"{name_of(reference)}: no lines to score")
    if source and len(sources) != len(references):
        raise UserError(
            f"{name_of(source)} has {counted(len(sources), 'line')} but {name_of(reference)} has "
            f"{len(references)}; each line needs its reference on the same line"
        )
    config = ScoringConfig(tokenised=form.tokenised, language=form.language)
    texts = {}
    for name, path in zip(names, translations, strict=True):
        check_counts(path, len(lines[path]), reference, len(references))
        texts[name] = make_texts(config, lines[path], [references])
    tokeniser = make_tokeniser("spaces" if form.tokenised else "moses", form.source_language)
    return Systems(sources, references, [tokeniser.tokenise(line) for line in sources], texts)


def system_names(paths: Sequence[Path], given: Sequence[str]) -> list[str]:
    """A name for each of ``paths``: as was given, or the end of its path.

    Raises:
        UserError: not a name for each, or one that stands twice.
    """
    if given and len(given) != len(paths):
        raise UsageError(
            f"--name is given {len(given)} times for {len(paths)} things; name each of them, or "
            "none"
        )
    names = list(given) or [
        name_of(path if path == STDIO else Path(os.path.basename(os.path.realpath(path))))  # noqa: PTH119
        for path in paths
    ]
    if not given and len(set(names)) < len(names):
        names = [name_of(path) for path in paths]
    if len(set(names)) < len(names):
        raise UsageError("two have the same name; tell them apart with --name")
    return names
