"""From a line of text to words and back, the same way in every command."""

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from s2s_cli.text.cleaning import (
    BYTE_ORDER_MARK,
    CARRIAGE_RETURN,
    clean,
    clean_block,
    count_odd_block,
)
from s2s_cli.text.moses import BlockTokeniser, Moses

# Files drop these two at their edges, so a word that had them would not read back the same.
NEVER_IN_A_WORD = str.maketrans(
    {CARRIAGE_RETURN.characters: "", BYTE_ORDER_MARK.characters: "", "\n": " "}
)
# Where one of these is, the words are not simply what stands between single spaces.
UNTIDY = ("  ", "\n ", " \n", CARRIAGE_RETURN.characters, BYTE_ORDER_MARK.characters)


class Tokeniser:
    """Cased Moses tokenisation of one language (sacremoses), or none for tokenised text.

    Raw text: entities and odd characters are replaced (`s2s_cli.text.cleaning`), punctuation is
    normalised, words are split, nothing is escaped. Tokenised text: words are what stands between
    ASCII spaces. No word has a space or a line end in it or is empty.

    A language that sacremoses has no rules for gets its general ones, with the abbreviations of
    English; of ``pt-BR`` or ``pt_BR`` only ``pt`` counts.
    """

    def __init__(self, language: str, tokenised: bool) -> None:
        self.language = language.replace("_", "-").split("-")[0].lower()
        self.tokenised = tokenised

    def tokenise(self, line: str) -> list[str]:
        """The words of ``line`` (without its line end); none for a blank line."""
        if self.tokenised:
            if "\r" in line or "\ufeff" in line or "\n" in line:
                line = line.translate(NEVER_IN_A_WORD)
            return [word for word in line.split(" ") if word]
        return self._moses.words(clean(line))

    def tokenise_block(self, block: str) -> tuple[str, Counter[str]]:
        r"""The words of many lines, and the odd characters that were there (`count_odd`).

        Args:
            block: lines, each ending with ``\n``.

        Returns:
            The words of each line as `tokenise` gives them, with a space between, and ``\n``.
        """
        if not self.tokenised:
            cleaned, odd = clean_block(block)
            return self._pieces.tokenise(cleaned), odd
        odd = count_odd_block(block)
        if block.startswith(" ") or any(each in block for each in UNTIDY):
            block = "".join(" ".join(self.tokenise(line)) + "\n" for line in block.split("\n")[:-1])
        return block, odd

    def detokenise(self, words: Sequence[str]) -> str:
        """``words`` as a line of running text, without a line end."""
        if self.tokenised:
            return " ".join(words)
        line: str = self._detokeniser.detokenize(words, unescape=False)
        return line

    @cached_property
    def _moses(self) -> Moses:
        return Moses(self.language)

    @cached_property
    def _pieces(self) -> BlockTokeniser:
        return BlockTokeniser(self._moses)

    @cached_property
    def _detokeniser(self) -> Any:
        from sacremoses import MosesDetokenizer

        return MosesDetokenizer(self.language)


def tokeniser_name(tokenised: bool) -> str:
    """Name and version of what makes the words: ``sacremoses 0.2.0``, or ``none``."""
    if tokenised:
        return "none"
    from importlib.metadata import version

    return f"sacremoses {version('sacremoses')}"
