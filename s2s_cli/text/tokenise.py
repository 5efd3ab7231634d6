"""From a line of text to words and back, the same way in every command."""

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal, Protocol, assert_never

from s2s_cli.text.cleaning import (
    AT_EDGES,
    BYTE_ORDER_MARK,
    CARRIAGE_RETURN,
    clean,
    clean_block,
    count_odd_block,
    treatment_in_raw_text,
)
from s2s_cli.text.moses import BlockTokeniser, Moses

TokeniserKind = Literal["moses", "spaces"]

# Files drop these two at their edges, so a word that had them would not read back the same.
NEVER_IN_A_WORD = str.maketrans(
    {CARRIAGE_RETURN.characters: "", BYTE_ORDER_MARK.characters: "", "\n": " "}
)
DROPPED_CHARACTERS = (*AT_EDGES, CARRIAGE_RETURN.name, BYTE_ORDER_MARK.name)
# Where one of these is, the words are not simply what stands between single spaces.
UNTIDY = ("  ", "\n ", " \n", CARRIAGE_RETURN.characters, BYTE_ORDER_MARK.characters)


class Tokeniser(Protocol):
    """Words of one language. No word has a space or a line end in it or is empty."""

    @property
    def name(self) -> str:
        """Name and version, for the facts."""

    def tokenise(self, line: str) -> list[str]:
        """Split ``line`` (without its line end) into words; a blank line has none."""

    def tokenise_block(self, block: str) -> tuple[str, Counter[str]]:
        r"""Split many lines, and count the odd characters that were there (`count_odd`).

        Args:
            block: lines, each ending with ``\n``.

        Returns:
            The words of each line as `tokenise` gives them, with a space between, and ``\n``.
        """

    def detokenise(self, words: Sequence[str]) -> str:
        """Join ``words`` to a line of running text, without a line end."""

    def treatment(self, name: str) -> str:
        """Describe what becomes of the odd characters called ``name``."""


class MosesTokeniser:
    """Cased Moses tokenisation of raw text in one language (sacremoses).

    Entities and odd characters are replaced (`s2s_cli.text.cleaning`), punctuation is normalised,
    words are split, nothing is escaped.

    A language that sacremoses has no rules for gets its general ones, with the abbreviations of
    English; of ``pt-BR`` or ``pt_BR`` only ``pt`` counts.
    """

    def __init__(self, language: str) -> None:
        self.language = language.replace("_", "-").split("-")[0].lower()

    @property
    def name(self) -> str:
        from importlib.metadata import version

        return f"sacremoses {version('sacremoses')}"

    def tokenise(self, line: str) -> list[str]:
        return self._moses.words(clean(line))

    def tokenise_block(self, block: str) -> tuple[str, Counter[str]]:
        cleaned, odd = clean_block(block)
        return self._blocks.tokenise(cleaned), odd

    def detokenise(self, words: Sequence[str]) -> str:
        line: str = self._detokeniser.detokenize(words, unescape=False)
        return line

    def treatment(self, name: str) -> str:
        return treatment_in_raw_text(name)

    @cached_property
    def _moses(self) -> Moses:
        return Moses(self.language)

    @cached_property
    def _blocks(self) -> BlockTokeniser:
        return BlockTokeniser(self._moses)

    @cached_property
    def _detokeniser(self) -> Any:
        from sacremoses import MosesDetokenizer

        return MosesDetokenizer(self.language)


class SpaceTokeniser:
    """Tokenised text of any language: words are what stands between ASCII spaces."""

    name = "none"

    def tokenise(self, line: str) -> list[str]:
        if "\r" in line or "\ufeff" in line or "\n" in line:
            line = line.translate(NEVER_IN_A_WORD)
        return [word for word in line.split(" ") if word]

    def tokenise_block(self, block: str) -> tuple[str, Counter[str]]:
        odd = count_odd_block(block)
        if block.startswith(" ") or any(each in block for each in UNTIDY):
            block = "".join(" ".join(self.tokenise(line)) + "\n" for line in block.split("\n")[:-1])
        return block, odd

    def detokenise(self, words: Sequence[str]) -> str:
        return " ".join(words)

    def treatment(self, name: str) -> str:
        return "removed" if name in DROPPED_CHARACTERS else "kept"


def make_tokeniser(kind: TokeniserKind, language: str) -> Tokeniser:
    """Make the tokeniser of a kind; nothing is loaded before it is used."""
    match kind:
        case "moses":
            return MosesTokeniser(language)
        case "spaces":
            return SpaceTokeniser()
        case _:
            assert_never(kind)


def tokeniser_kind(tokenised: bool) -> TokeniserKind:
    """Choose the kind for text that came tokenised, or raw."""
    return "spaces" if tokenised else "moses"
