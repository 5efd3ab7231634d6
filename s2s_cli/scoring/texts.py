"""The texts to score: read, counted, and brought into both forms, tokenised and running."""

import html
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from unicodedata import normalize

from s2s_cli.console import counted, warn
from s2s_cli.errors import UsageError, UserError
from s2s_cli.files import STDIO, name_of, read_lines
from s2s_cli.scoring.languages import (
    DEFAULT_LANGUAGE,
    BleuTokeniser,
    BleuTokeniserChoice,
    choose_bleu_tokeniser,
)
from s2s_cli.settings import setting
from s2s_cli.text.languages import find_language
from s2s_cli.text.tokenise import make_tokeniser

TEXT_PANEL = "Text"
SIGNIFICANCE = "Significance"
AS_GIVEN = "as-given"
MOSES_ENTITY = re.compile("&(?:amp|#124|lt|gt|apos|quot|#91|#93);")
FEWEST_RESAMPLES = 100  # fewer leave one or two in each of the tails that are cut off


@dataclass(frozen=True)
class ScoringConfig:
    """The text to score, its language and the sizes of tests."""

    hypothesis: Path = setting(STDIO, "The translation to score, as an option.", hidden=True)
    tokenised: bool = setting(
        False, "The texts are already tokenised, with spaces between words.", panel=TEXT_PANEL
    )
    language: str = setting(
        "",
        "Language of the texts. By default: that of --model, that of data/, or fr.",
        panel=TEXT_PANEL,
    )
    tokenize: BleuTokeniserChoice = setting(
        "auto",
        "Tokeniser of sacreBLEU for running text. auto: by the language.",
        panel=TEXT_PANEL,
    )
    bootstrap: int = setting(
        0,
        "Bootstrap resamples for a 95 % interval, usually 1000. 0: no interval.",
        min=0,
        max=10_000,
        panel=SIGNIFICANCE,
    )
    trials: int = setting(
        10_000,
        "With --baseline: trials of approximate randomisation.",
        min=100,
        max=1_000_000,
        panel=SIGNIFICANCE,
    )


def check_bootstrap(resamples: int) -> None:
    """Refuse so few ``resamples`` that an interval would mean nothing; 0 is off.

    Raises:
        UserError: too few resamples, or a seed that is none (exit code 2).
    """
    if 0 < resamples < FEWEST_RESAMPLES:
        raise UsageError(
            f"--bootstrap {resamples}: too few resamples for a 95 % interval; take "
            f"{FEWEST_RESAMPLES} or more, or 0 for none"
        )
    seed = os.environ.get("SACREBLEU_SEED", "0")  # which sacreBLEU reads
    if seed.lower() != "none" and not (seed.isascii() and seed.isdigit()):
        raise UsageError(f"SACREBLEU_SEED={seed}: must be a whole number from 0, or none")


@dataclass(frozen=True)
class Form:
    """Hypotheses and their references, N lines each, in one of the two forms.

    Attributes:
        hypotheses: N lines.
        references: one list of N lines for each reference.
        tokeniser: what brought the lines into this form (`AS_GIVEN`: they came in it).
        bleu_tokeniser: how sacreBLEU splits running text.
    """

    hypotheses: list[str]
    references: list[list[str]]
    tokeniser: str
    bleu_tokeniser: BleuTokeniser = "13a"

    def select(self, lines: Sequence[int]) -> "Form":
        """The lines with the indices ``lines``."""
        hypotheses, *references = (
            [text[line] for line in lines] for text in (self.hypotheses, *self.references)
        )
        return replace(self, hypotheses=hypotheses, references=references)


@dataclass(frozen=True)
class Texts:
    """Hypotheses and references as they were read, and the two forms they are scored in."""

    given: Form
    tokenised: bool
    language: str

    @cached_property
    def words(self) -> Form:
        """Tokenised lines: words with one space between them."""
        if self.tokenised:
            return self.given
        if find_language(self.language).is_unspaced:
            return self._made(bleu_words(self.given.bleu_tokeniser), self.given.bleu_tokeniser)
        tokeniser = make_tokeniser("moses", self.language)
        return self._made(lambda line: " ".join(tokeniser.tokenise(line)))

    @cached_property
    def running(self) -> Form:
        """Running text, as people read it."""
        if not self.tokenised:
            return self.given
        tokeniser = make_tokeniser("moses", self.language)
        return self._made(
            lambda line: tokeniser.detokenise([word for word in line.split(" ") if word])
        )

    def _made(self, change: Callable[[str], str], maker: str = "") -> Form:
        maker = maker or make_tokeniser("moses", self.language).name
        return replace(
            self.given,
            hypotheses=[change(line) for line in self.given.hypotheses],
            references=[[change(line) for line in each] for each in self.given.references],
            tokeniser=f"{maker} {self.language}".replace(" ", "-"),
        )


def bleu_words(tokeniser: BleuTokeniser) -> Callable[[str], str]:
    """Splitter of a line into words by sacreBLEU."""
    from sacrebleu.metrics.bleu import BLEU

    split: Callable[[str], str] = BLEU(tokenize=tokeniser).tokenizer
    return split


def read_once(paths: Sequence[Path]) -> dict[Path, list[str]]:
    """Read the lines of each of ``paths`` once, as a pipe can be; stdin last, which may wait.

    Raises:
        UserError: a file cannot be read.
    """
    order = sorted(dict.fromkeys(paths), key=lambda path: path == STDIO)
    return {path: list(read_lines(path)) for path in order}


def texts_of(
    config: ScoringConfig, references: list[Path], lines: Mapping[Path, list[str]]
) -> Texts:
    """Take the hypotheses and all references from ``lines``, those of each file.

    Raises:
        UserError: there is no line, or the numbers of lines differ.
    """
    hypotheses = lines[config.hypothesis]
    if not hypotheses and not any(lines[path] for path in references):
        raise UserError(f"{name_of(config.hypothesis)}: no lines to score")
    for path in references:
        check_counts(config.hypothesis, len(hypotheses), path, len(lines[path]))
    return make_texts(config, hypotheses, [lines[path] for path in references])


def make_texts(config: ScoringConfig, hypotheses: list[str], references: list[list[str]]) -> Texts:
    """Make texts as they are given, but in NFC, and tokenised ones without entities of Moses."""
    language = config.language or DEFAULT_LANGUAGE
    if config.tokenised:
        every = [hypotheses, *references]
        escaped = sum(MOSES_ENTITY.search(line) is not None for text in every for line in text)
        if escaped:
            lines = counted(escaped, "line")
            warn(f"{lines} with entities as Moses escapes them (&apos;): they are undone")
            hypotheses, *references = ([unescape(line) for line in text] for text in every)
    hypotheses, *references = (
        [normalize("NFC", line) for line in text] for text in (hypotheses, *references)
    )
    tokeniser = choose_bleu_tokeniser(config.tokenize, language)
    return Texts(Form(hypotheses, references, AS_GIVEN, tokeniser), config.tokenised, language)


def unescape(line: str) -> str:
    """Undo ``escape-special-chars.perl`` of Moses."""
    return MOSES_ENTITY.sub(lambda entity: html.unescape(entity[0]), line)


def read_references(config: ScoringConfig, references: list[Path]) -> Form:
    """References alone, as words, with no hypotheses beside them.

    Raises:
        UserError: a file cannot be read, there is no line, or the numbers of lines differ.
    """
    lines = read_once(references)
    first, *_ = references
    if not lines[first]:
        raise UserError(f"{name_of(first)}: no lines to score")
    for path in references:
        check_counts(first, len(lines[first]), path, len(lines[path]))
    return make_texts(config, [], [lines[path] for path in references]).words


def check_counts(hypothesis: Path, have: int, reference: Path, want: int) -> None:
    if have != want:
        raise UserError(
            f"{name_of(hypothesis)} has {counted(have, 'line')} but {name_of(reference)} has "
            f"{want}; each hypothesis needs its reference on the same line"
        )
