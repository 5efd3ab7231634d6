"""Text of the target side without a model: raw lines to words, and words of a list to lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from s2s_cli.text.facts import Facts
from s2s_cli.text.subwords import Splitter, make_splitter
from s2s_cli.text.tokenise import Tokeniser, make_tokeniser


@dataclass(frozen=True)
class TargetText:
    """Reader and writer of text in the target language, by ``facts``."""

    facts: Facts

    @classmethod
    def in_language(cls, code: str) -> "TargetText":
        """Follow the rules that `prep` has for raw text in the language ``code``."""
        return cls(
            Facts(
                source_language=code,
                target_language=code,
                tokenised=False,
                reverse_source=False,
                tokeniser="",
                raw_tokeniser="moses",
                nfc=True,
            )
        )

    def words(self, line: str) -> list[str]:
        """Split raw text into words; text that came tokenised at its spaces."""
        return self._reader.tokenise(line)

    def running(self, words: Sequence[str]) -> str:
        """Join the words of a list, or their pieces where text came split, to running text."""
        return self._writer.detokenise(self._pieces.join(words))

    @cached_property
    def _reader(self) -> Tokeniser:
        return self.facts.tokenisers(tokenised=False)[1]

    @cached_property
    def _writer(self) -> Tokeniser:
        facts = self.facts
        return make_tokeniser(facts.raw_tokeniser, facts.target_language, nfc=facts.nfc)

    @cached_property
    def _pieces(self) -> Splitter:
        subwords = self.facts.subwords
        return make_splitter(subwords.kind if subwords.given else "none", None, Path())
