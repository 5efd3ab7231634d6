"""From a line of text to words and back, the same way in every command."""

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal, Protocol, assert_never

from s2s_cli.text.cleaning import (
    AT_EDGES,
    BYTE_ORDER_MARK,
    CARRIAGE_RETURN,
    CLEANING,
    DECOMPOSED,
    FIRST_CLEANING,
    compose,
)
from s2s_cli.text.languages import find_language
from s2s_cli.text.moses import BlockTokeniser, Moses
from s2s_cli.text.running_text import join_marked, join_words
from s2s_cli.text.words import WordSplitter

RawTokeniserKind = Literal["moses", "joiner", "sacremoses"]  # of raw text
TokeniserKind = Literal[RawTokeniserKind, "spaces"]

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
    """Cased words of raw text in one language, by the rules of Moses (`s2s_cli.text.words`).

    Entities and odd characters are replaced (`s2s_cli.text.cleaning`), words are split, nothing is
    escaped, and punctuation stays as it is written.
    """

    VERSION = 2  # of the rules; the first ones are `SacremosesTokeniser`

    def __init__(self, language: str, *, nfc: bool = True, joiners: bool = False) -> None:
        """Choose the rules of ``language``.

        Args:
            language: a code that `find_language` knows, or the general rules hold.
            nfc: letters and their marks are composed first (NFC of Unicode).
            joiners: words are marked that stood beside another without a space, so that
                `detokenise` gives back the text to the letter.
        """
        self.language, self.nfc, self.joiners = find_language(language), nfc, joiners

    @property
    def name(self) -> str:
        return f"s2s {'joiner' if self.joiners else 'moses'} {self.VERSION}"

    def tokenise(self, line: str) -> list[str]:
        block, _ = self.tokenise_block(line.replace("\n", " ") + "\n")
        return block[:-1].split(" ") if len(block) > 1 else []

    def tokenise_block(self, block: str) -> tuple[str, Counter[str]]:
        composed, decomposed = compose(block) if self.nfc else (block, Counter[str]())
        cleaned, odd = CLEANING.clean_block(composed)
        return self._splitter.split_block(cleaned), odd + decomposed

    def detokenise(self, words: Sequence[str]) -> str:
        return join_marked(words) if self.joiners else join_words(words, self.language)

    def treatment(self, name: str) -> str:
        return "composed" if name == DECOMPOSED else CLEANING.treatment(name)

    @cached_property
    def _splitter(self) -> WordSplitter:
        return WordSplitter(self.language, joiners=self.joiners)


class SacremosesTokeniser:
    """Cased Moses tokenisation of raw text in one language by sacremoses: the first rules.

    As `MosesTokeniser`, but punctuation is normalised to ASCII, words are torn at combining marks,
    and no language is known by another code. Models keep to them that were trained with them.
    """

    def __init__(self, language: str) -> None:
        self.language = language.replace("_", "-").split("-")[0].lower()

    @property
    def name(self) -> str:
        from importlib.metadata import version

        return f"sacremoses {version('sacremoses')}"

    def tokenise(self, line: str) -> list[str]:
        return self._moses.words(FIRST_CLEANING.clean(line))

    def tokenise_block(self, block: str) -> tuple[str, Counter[str]]:
        cleaned, odd = FIRST_CLEANING.clean_block(block)
        return self._blocks.tokenise(cleaned), odd

    def detokenise(self, words: Sequence[str]) -> str:
        line: str = self._detokeniser.detokenize(words, unescape=False)
        return line

    def treatment(self, name: str) -> str:
        return FIRST_CLEANING.treatment(name)

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

    def __init__(self, *, nfc: bool = True) -> None:
        self.nfc = nfc

    def tokenise(self, line: str) -> list[str]:
        line, _ = compose(line) if self.nfc else (line, None)
        if "\r" in line or "\ufeff" in line or "\n" in line:
            line = line.translate(NEVER_IN_A_WORD)
        return [word for word in line.split(" ") if word]

    def tokenise_block(self, block: str) -> tuple[str, Counter[str]]:
        block, decomposed = compose(block) if self.nfc else (block, Counter[str]())
        odd = CLEANING.count_odd_block(block) + decomposed
        if block.startswith(" ") or any(each in block for each in UNTIDY):
            block = "".join(" ".join(self.tokenise(line)) + "\n" for line in block.split("\n")[:-1])
        return block, odd

    def detokenise(self, words: Sequence[str]) -> str:
        return " ".join(words)

    def treatment(self, name: str) -> str:
        if name == DECOMPOSED:
            return "composed"
        return "removed" if name in DROPPED_CHARACTERS else "kept"


def make_tokeniser(kind: TokeniserKind, language: str, *, nfc: bool = True) -> Tokeniser:
    """Make the tokeniser of a kind; nothing is loaded before it is used.

    Args:
        kind: how words are found.
        language: whose rules hold.
        nfc: letters are composed first; not by the first rules, which never did.
    """
    match kind:
        case "moses":
            return MosesTokeniser(language, nfc=nfc)
        case "joiner":
            return MosesTokeniser(language, nfc=nfc, joiners=True)
        case "sacremoses":
            return SacremosesTokeniser(language)
        case "spaces":
            return SpaceTokeniser(nfc=nfc)
        case _:
            assert_never(kind)
