"""Settings of ``s2s prep``, checked, and the files that they name."""

import os
from dataclasses import dataclass
from pathlib import Path

from s2s_cli.console import say, warn
from s2s_cli.errors import UsageError, UserError
from s2s_cli.files import refuse_pipe
from s2s_cli.settings import HARDWARE, MANY, MOST_THREADS, WRITES, setting
from s2s_cli.text.facts import is_language
from s2s_cli.text.languages import find_language, unknown_language
from s2s_cli.text.layout import SPLITS, text_file
from s2s_cli.text.subwords import SubwordKind, require_sentencepiece, subword_origin
from s2s_cli.text.tokenise import RawTokeniserKind, TokeniserKind

TEXTS = "Files and languages"
WORDS = "Words"
FILTER = "Filtering"


@dataclass(frozen=True)
class PrepConfig:
    """Settings of ``s2s prep``: what it reads, keeps and writes."""

    corpus: Path = setting(
        Path("corpus"), "Directory with {train,valid,test}.LANGUAGE.", panel=TEXTS
    )
    train: Path | None = setting(
        None, "Training text elsewhere: PATH.LANGUAGE, or PATH.LANGUAGE.gz.", panel=TEXTS
    )
    valid: Path | None = setting(None, "Validation text elsewhere, likewise.", panel=TEXTS)
    test: Path | None = setting(None, "Test text elsewhere, likewise.", panel=TEXTS)
    output: Path = setting(Path("data"), "Directory to write.", writes=WRITES, panel=TEXTS)
    source_language: str = setting("en", "Code of the source language.", panel=TEXTS)
    target_language: str = setting("fr", "Code of the target language.", panel=TEXTS)
    tokenised: bool = setting(
        False, "The text is already tokenised, with spaces between words.", panel=WORDS
    )
    tokeniser: RawTokeniserKind = setting(
        "moses",
        "Rules for raw text: those of Moses; joiner, which also marks where no space was, so that "
        "text can be restored exactly; or sacremoses, as in versions before 0.3.",
        panel=WORDS,
    )
    nfc: bool = setting(True, "Normalise characters to Unicode NFC.", panel=WORDS)
    reverse_source: bool = setting(
        False, "Have models read the source last word first, as in the paper (3.3).", panel=WORDS
    )
    subwords: SubwordKind = setting(
        "none",
        "Pieces of words. bpe, unigram: learn them from the training text. sentencepiece, "
        "subword-nmt: the text is already split in this way.",
        panel=WORDS,
    )
    subword_size: int = setting(
        8000, "Pieces to learn for each language.", min=2, max=10_000_000, panel=WORDS
    )
    character_coverage: float = setting(
        1.0,
        "Share of the characters of the text that get pieces; the rarest get none.",
        min=0.98,
        max=1.0,
        panel=WORDS,
    )
    max_length: int = setting(
        100, "Drop pairs with more words than this on a side.", min=1, max=MANY, panel=FILTER
    )
    max_ratio: float = setting(
        9.0,
        "Drop pairs with more than this many times as many words on one side.",
        min=1.0,
        max=MANY,
        panel=FILTER,
    )
    workers: int = setting(
        0, "Processes. 0: one for each core.", min=0, max=MOST_THREADS, panel=HARDWARE
    )
    filter: str | None = setting(
        None, "Only tokenise stdin, text in this language, to stdout.", panel=WORDS
    )

    @property
    def languages(self) -> tuple[str, str]:
        return self.source_language, self.target_language

    @property
    def tokeniser_kind(self) -> TokeniserKind:
        return "spaces" if self.tokenised else self.tokeniser

    def prefix(self, split: str) -> Path:
        """Path of the text of ``split`` without the language."""
        given: Path | None = getattr(self, split)
        return given or self.corpus / split


def check_languages(config: PrepConfig) -> None:
    """Refuse codes that are no suffix of a file, and one language twice."""
    for language in config.languages:
        check_language(language)
    if config.source_language == config.target_language:
        raise UsageError(
            f"source and target language are both {config.source_language!r}: name two with "
            "--source-language and --target-language"
        )


def check_subwords(config: PrepConfig) -> None:
    """Refuse text in pieces that would be tokenised again; warn of settings without effect.

    Raises:
        UserError: or SentencePiece is not installed: better missed now than after all text was
            read.
    """
    origin = subword_origin(config.subwords)
    if origin == "learned":
        require_sentencepiece()
        return
    of_learning = config.subword_size, config.character_coverage
    if of_learning != (PrepConfig.subword_size, PrepConfig.character_coverage):
        warn("--subword-size, --character-coverage: no pieces are learned; add --subwords bpe")
    if origin == "given" and not config.tokenised:
        raise UsageError(
            f"--subwords {config.subwords} is text that came in pieces between spaces, which "
            "must not be tokenised again; add --tokenised"
        )


def check_language(language: str) -> None:
    if not is_language(language):
        raise UsageError(f"{language!r} is not a language code such as en or pt-BR")


def warn_about_language(config: PrepConfig, code: str) -> None:
    """Say what the rules of text do not know of a language."""
    language = find_language(code)
    if config.tokenised:
        return
    if not language.is_known:
        warn(unknown_language(language))
    if language.is_unspaced and subword_origin(config.subwords) != "learned":
        warn(
            f"{code} has no spaces between words: a sentence counts as a word or a few; learn "
            "pieces of words with --subwords unigram"
        )


def find_splits(config: PrepConfig) -> dict[str, tuple[Path, Path]]:
    """Find the files of each split, in order; without training text there is nothing to do."""
    found = {}
    for split in SPLITS:
        paths = input_files(config, split)
        refuse_one_file(config, split, paths)
        if any(map(exists, paths)) or getattr(config, split) is not None:
            refuse_same_files(config, paths)
            for path in filter(exists, paths):
                refuse_pipe(path)
            found[split] = paths
        elif split == "train":
            raise UserError(
                f"{paths[0]}: no such file (nor {paths[0].name}.gz); name the directory of the "
                "text with --corpus or the training text with --train"
            )
        elif split == "valid":
            say(f"no validation text ({paths[0]} and {paths[1]}): going on without")
    return found


def refuse_one_file(config: PrepConfig, split: str, paths: tuple[Path, Path]) -> None:
    """Refuse ``--train corpus/train.en``, a file, in place of the beginning of two names."""
    given: Path | None = getattr(config, split)
    if given is None or any(map(exists, paths)):
        return
    if given.is_dir():
        raise UsageError(
            f"--{split} {given}: is a directory; name the two files in it without their language, "
            f"--{split} {given / split}"
        )
    pair = given.with_suffix("") if given.suffix == ".gz" else given
    if pair.suffix[1:] in config.languages:
        source, target = (f"{pair.with_suffix('')}.{each}" for each in config.languages)
        raise UsageError(
            f"--{split} {given}: name the two files without their language, --{split} "
            f"{pair.with_suffix('')}, for {source} and {target}"
        )


def exists(path: Path) -> bool:
    return path.exists() or path.with_name(f"{path.name}.gz").exists()


def input_files(config: PrepConfig, split: str) -> tuple[Path, Path]:
    source, target = (Path(f"{config.prefix(split)}.{each}") for each in config.languages)
    return source, target


def refuse_same_files(config: PrepConfig, paths: tuple[Path, Path]) -> None:
    """Refuse to replace raw text by what is made of it."""
    written = {
        os.path.realpath(text_file(config.output, each, lang))
        for each in SPLITS
        for lang in config.languages
    }
    for path in paths:
        if os.path.realpath(path) in written:
            raise UsageError(f"{path}: would be overwritten; give another --output")
