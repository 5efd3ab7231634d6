"""Pieces of words (subwords): from the words of a line to the units that have ids, and back.

Pieces that are learned here are SentencePiece's. ``▁`` stands before the first piece of a word,
``▁chi en ▁dort``, and a word is split the same wherever it stands. A ``▁`` that a word has of its
own is written as an entity (`escape_word_start`), so whatever the words are, they come back.

Text may also come in pieces, by one of two conventions; then nothing is split here, only joined.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Protocol, assert_never

from s2s_cli.errors import UserError
from s2s_cli.files import regular
from s2s_cli.installation import install_extra
from s2s_cli.json_fields import fits, from_json
from s2s_cli.text.layout import pieces_file

SubwordKind = Literal["none", "bpe", "unigram", "subword-nmt", "sentencepiece"]
SubwordOrigin = Literal["words", "learned", "given"]
WORD_START = "▁"  # before the first piece of a word, in the convention of SentencePiece
CONTINUED = "@@"  # after each piece of a word but the last, in that of subword-nmt
WORD_START_ENTITY = f"#{ord(WORD_START)};"
# As for bars in n-best lists: entities that were in the word get one more ampersand.
WORD_START_MARK = re.compile(f"{WORD_START}|&(?:amp;)*{WORD_START_ENTITY}")
LARGEST_MODEL = 1 << 26  # bytes; a million pieces take half
CACHED_WORDS = 1 << 16  # words


def subword_origin(kind: SubwordKind) -> SubwordOrigin:
    """Return where pieces come from: words stay whole, are split here, or came split."""
    match kind:
        case "none":
            return "words"
        case "bpe" | "unigram":
            return "learned"
        case "subword-nmt" | "sentencepiece":
            return "given"
        case _:
            assert_never(kind)


class Splitter(Protocol):
    """Conversion between the words of a line and their pieces."""

    def split(self, words: Sequence[str]) -> Sequence[str]: ...

    def join(self, pieces: Sequence[str]) -> list[str]:
        """Join any pieces to words, also such as no word is split into."""

    def whole_word(self, pieces: Sequence[str], place: int) -> str | None:
        """Return the word that the piece at ``place`` is all of; None if it has more pieces."""

    def unmarked(self, piece: str) -> str:
        """Return ``piece`` as it looks where the next one belongs to another word."""

    def as_pieces(self, words: Sequence[str]) -> list[str]:
        """Make a piece of each of ``words``, whatever they are split into."""


class WholeWords:
    """Words that are their own pieces."""

    def split(self, words: Sequence[str]) -> Sequence[str]:
        return words

    def join(self, pieces: Sequence[str]) -> list[str]:
        return list(pieces)

    def whole_word(self, pieces: Sequence[str], place: int) -> str | None:
        return pieces[place]

    def unmarked(self, piece: str) -> str:
        return piece

    def as_pieces(self, words: Sequence[str]) -> list[str]:
        return list(words)


class SubwordNmt(WholeWords):
    """Text that subword-nmt split: ``chi@@ en dort``."""

    def join(self, pieces: Sequence[str]) -> list[str]:
        text = " ".join(pieces).replace(f"{CONTINUED} ", "").removesuffix(CONTINUED)
        return [word for word in text.split(" ") if word]

    def whole_word(self, pieces: Sequence[str], place: int) -> str | None:
        around = pieces[max(place - 1, 0) : place + 1]
        return None if any(piece.endswith(CONTINUED) for piece in around) else pieces[place]

    def unmarked(self, piece: str) -> str:
        return piece.removesuffix(CONTINUED)


class SentencePiece(WholeWords):
    """Text that SentencePiece split: ``▁chi en ▁dort``."""

    def join(self, pieces: Sequence[str]) -> list[str]:
        return [word for word in "".join(pieces).split(WORD_START) if word]

    def whole_word(self, pieces: Sequence[str], place: int) -> str | None:
        begins = [piece.startswith(WORD_START) for piece in pieces[place : place + 2]]
        return pieces[place].removeprefix(WORD_START) if all(begins) else None

    def as_pieces(self, words: Sequence[str]) -> list[str]:
        return [WORD_START + word for word in words]


class LearnedPieces(SentencePiece):
    """Splits by a SentencePiece model that `s2s_cli.preparation.learning` made."""

    def __init__(self, encode: Callable[[str], list[str]]) -> None:
        """Split by ``encode``, SentencePiece's own function from a word to its pieces."""
        self.encode = encode
        self.pieces = lru_cache(CACHED_WORDS)(self._pieces)

    def split(self, words: Sequence[str]) -> list[str]:
        return [piece for word in words for piece in self.pieces(word)]

    def join(self, pieces: Sequence[str]) -> list[str]:
        return [unescape_word_start(word) for word in super().join(pieces)]

    def whole_word(self, pieces: Sequence[str], place: int) -> str | None:
        word = super().whole_word(pieces, place)
        return None if word is None else unescape_word_start(word)

    def as_pieces(self, words: Sequence[str]) -> list[str]:
        return super().as_pieces([escape_word_start(word) for word in words])

    def _pieces(self, word: str) -> tuple[str, ...]:
        return tuple(self.encode(escape_word_start(word)))


def places_of_words(pieces: Sequence[str]) -> list[int]:
    """Place of the word of each piece, from 0; pieces are in the convention of SentencePiece."""
    places, word, begins = [], -1, True
    for piece in pieces:
        begins |= piece.startswith(WORD_START)
        if begins and piece != WORD_START:
            word, begins = word + 1, False
        places.append(max(word, 0))
    return places


def escape_word_start(word: str) -> str:
    """Write `WORD_START` within a word as an entity; `unescape_word_start` undoes it."""
    if WORD_START not in word and WORD_START_ENTITY not in word:
        return word
    return WORD_START_MARK.sub(
        lambda mark: (
            f"&{WORD_START_ENTITY}" if mark[0] == WORD_START else mark[0].replace("&", "&amp;", 1)
        ),
        word,
    )


def unescape_word_start(word: str) -> str:
    if WORD_START_ENTITY not in word:
        return word
    return WORD_START_MARK.sub(
        lambda mark: (
            WORD_START if mark[0] == f"&{WORD_START_ENTITY}" else mark[0].replace("&amp;", "&", 1)
        ),
        word,
    )


@dataclass(frozen=True)
class ModelFile:
    """Size and digest of a SentencePiece model, as the facts name it."""

    bytes: int
    sha256: str

    @classmethod
    def from_json(cls, value: object) -> "ModelFile":
        """Read an entry of `Subwords.models`.

        Raises:
            ValueError: it is none, or of a model that is too large.
        """
        return from_json(cls, value, "a SentencePiece model", high=LARGEST_MODEL)


@dataclass(frozen=True)
class Subwords:
    """Way in which words are split.

    Attributes:
        kind: ``none``; ``bpe`` or ``unigram``: by a model of each language; or the convention by
            which the text came split.
        models: of the source and the target language, where they were learned.
    """

    kind: SubwordKind = "none"
    models: tuple[ModelFile, ...] = ()

    @property
    def learned(self) -> bool:
        """True if ``s2s prep`` learned the pieces."""
        return subword_origin(self.kind) == "learned"

    @property
    def given(self) -> bool:
        """True if the text came in pieces, which nothing here can make."""
        return subword_origin(self.kind) == "given"

    @property
    def units(self) -> str:
        """Name of what has ids."""
        return "words" if self.kind == "none" else "pieces"

    @property
    def per_piece(self) -> str:
        """Suffix of a perplexity that is not one per word."""
        return "" if self.kind == "none" else " per piece"

    def as_json(self, languages: Sequence[str]) -> dict[str, Any]:
        """The entry of the facts, as `from_json` reads it."""
        models = zip(languages, self.models, strict=False)
        return {"kind": self.kind, "models": {code: asdict(each) for code, each in models}}

    @classmethod
    def from_json(cls, value: object, languages: Sequence[str], where: Path) -> "Subwords":
        """Read an entry of facts.

        Raises:
            UserError: missing or malformed.
        """
        match value:
            case {"kind": kind, "models": dict(models)} if fits(kind, SubwordKind):
                named = languages if subword_origin(kind) == "learned" else ()
                if models.keys() == set(named):
                    with suppress(ValueError):
                        return cls(kind, tuple(ModelFile.from_json(models[each]) for each in named))
        raise UserError(f"{where}: subwords is missing or malformed")

    def splitters(self, models: Sequence[bytes], languages: Sequence[str]) -> list[Splitter]:
        """Make the splitters of the source and of the target language.

        Raises:
            UserError: as `make_splitter`.
        """
        paths = [pieces_file(Path(), language) for language in languages]
        given = dict(zip(paths, models, strict=False))
        return [make_splitter(self.kind, given.get(path), path) for path in paths]

    def read_models(self, directory: Path, languages: Sequence[str]) -> tuple[bytes, ...]:
        """Read the models in ``directory``, source first; none where none was learned.

        Raises:
            UserError: missing, or not the bytes that the facts name.
        """
        names = zip(languages, self.models, strict=False)
        return tuple(read_model(pieces_file(directory, code), each) for code, each in names)


def model_file(content: bytes) -> ModelFile:
    return ModelFile(len(content), hashlib.sha256(content).hexdigest())


def read_model(path: Path, expected: ModelFile) -> bytes:
    regular(path)
    with path.open("rb") as stream:
        content = stream.read(expected.bytes + 1)
    if model_file(content) != expected:
        raise UserError(
            f"{path}: is not the SentencePiece model that the text was split with (its size or "
            "SHA-256 differs); take a copy that is whole, or prepare the text again"
        )
    return content


def make_splitter(kind: SubwordKind, model: bytes | None, path: Path) -> Splitter:
    """Make the splitter of one language.

    Args:
        kind: of `Subwords`.
        model: where it was learned.
        path: of the model, for messages.

    Raises:
        UserError: SentencePiece is not there, or cannot read the model.
    """
    match kind:
        case "none":
            return WholeWords()
        case "subword-nmt":
            return SubwordNmt()
        case "sentencepiece":
            return SentencePiece()
        case "bpe" | "unigram":
            assert model is not None
            return read_learned_pieces(model, path)
        case _:
            assert_never(kind)


def read_learned_pieces(model: bytes, path: Path) -> LearnedPieces:
    """Load a SentencePiece model.

    Raises:
        UserError: as `make_splitter`.
    """
    processor = require_sentencepiece().SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(model)
    except (RuntimeError, ValueError):
        raise UserError(f"{path}: is no SentencePiece model") from None
    return LearnedPieces(processor.EncodeAsPieces)


def require_sentencepiece() -> Any:
    """Import the library.

    Raises:
        UserError: it is not installed.
    """
    try:
        import sentencepiece
    except ImportError:
        raise UserError(
            "words are split into pieces by SentencePiece, which is not installed: "
            f"{install_extra('subwords')}"
        ) from None
    return sentencepiece


NO_SUBWORDS = Subwords()
