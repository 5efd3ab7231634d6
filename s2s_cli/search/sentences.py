"""Between lines of text and ids, by the facts that travel with the model."""

from collections.abc import Sequence

from s2s_cli.model.directory import Description
from s2s_cli.text.tokenise import Tokeniser

# A line beyond this many words, or pieces of words, is no sentence; it is cut, and counted, and
# still gives a line.
LONGEST_SOURCE = 1000
# Nothing behind so many characters is looked at, and nothing behind so many bytes is kept in memory
# where thousands of lines are read ahead.
LONGEST_TEXT = 1 << 16
LONGEST_LINE = 4 * LONGEST_TEXT


class Sentences:
    """Reads and writes text as the model's own training text was read.

    Attributes:
        cut: sources so far that were cut to `LONGEST_SOURCE`, or to `LONGEST_TEXT`.
    """

    def __init__(self, description: Description, *, tokenised: bool) -> None:
        """Follow ``description``; ``tokenised`` text is split at its spaces and left so."""
        self.description = description
        as_words = tokenised or description.facts.tokenised
        self._source = Tokeniser(description.facts.source_language, as_words)
        self._target = Tokeniser(description.facts.target_language, as_words)
        self._running = Tokeniser(description.facts.target_language, tokenised=False)
        facts, models = description.facts, description.piece_models
        self._source_pieces, self._target_pieces = facts.subwords.splitters(models, facts.languages)
        self.cut = 0

    def source_ids(self, line: str) -> list[int]:
        """Ids of a source line in the order of the text; none if blank."""
        pieces = self._source_pieces.split(self._source.tokenise(line[:LONGEST_TEXT]))
        self.cut += len(pieces) > LONGEST_SOURCE or len(line) > LONGEST_TEXT
        return self.description.source_vocabulary.encode(pieces[:LONGEST_SOURCE])

    def target_words(self, line: str) -> list[str]:
        return self._target.tokenise(line)

    def target_ids(self, words: Sequence[str]) -> list[int]:
        """Ids of `target_words`, or of a hypothesis as a list has it (`listed`)."""
        return self.description.target_vocabulary.encode(self._target_pieces.split(words))

    def words(self, ids: Sequence[int]) -> list[str]:
        """Target words of ``ids``."""
        return self._target_pieces.join(self.description.target_vocabulary.decode(ids))

    def listed(self, ids: Sequence[int]) -> list[str]:
        """What stands for ``ids`` in an n-best list, so that it can be read back.

        Words; but pieces where text comes in pieces, for nothing here could split words.
        """
        if self.given_pieces:
            return self.description.target_vocabulary.decode(ids)
        return self.words(ids)

    def joined(self, listed: Sequence[str]) -> list[str]:
        """The words of a text or hypothesis that is as `target_words` or `listed` give it."""
        return self._target_pieces.join(listed) if self.given_pieces else list(listed)

    @property
    def given_pieces(self) -> bool:
        """Whether text comes in pieces, which nothing here can make."""
        subwords = self.description.facts.subwords
        return subwords.kind != "none" and not subwords.learned

    def text(self, words: Sequence[str]) -> str:
        """Target words as a line of running text, or of words where text is tokenised."""
        return self._target.detokenise(words)

    def running_text(self, words: Sequence[str]) -> str:
        """Target words as a line of running text, also where text is tokenised."""
        return self._running.detokenise(words)
