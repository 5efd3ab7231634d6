"""Between lines of text and ids, by the facts that travel with the model."""

from collections.abc import Sequence

from s2s_cli.model.directory import Description
from s2s_cli.text.tokenise import Tokeniser

# A line beyond this many words is no sentence; it is cut, and counted, and still gives a line.
LONGEST_SOURCE = 1000
# Nothing behind so many characters is looked at, and nothing behind so many bytes is kept in memory
# where thousands of lines are read ahead.
LONGEST_TEXT = 1 << 16
LONGEST_LINE = 4 * LONGEST_TEXT


class Sentences:
    """Reads and writes text as the model's own training text was read.

    Attributes:
        cut: sources so far that were cut to `LONGEST_SOURCE` words, or to `LONGEST_TEXT`.
    """

    def __init__(self, description: Description, *, tokenised: bool) -> None:
        """Follow ``description``; ``tokenised`` text is split at its spaces and left so."""
        self.description = description
        as_words = tokenised or description.facts.tokenised
        self._source = Tokeniser(description.facts.source_language, as_words)
        self._target = Tokeniser(description.facts.target_language, as_words)
        self._running = Tokeniser(description.facts.target_language, tokenised=False)
        self.cut = 0

    def source_words(self, line: str) -> list[str]:
        """A source line in words as the model reads them, in the order of the text.

        None if blank; a line that is too long is cut, and counted.
        """
        words = self._source.tokenise(line[:LONGEST_TEXT])
        self.cut += len(words) > LONGEST_SOURCE or len(line) > LONGEST_TEXT
        return words[:LONGEST_SOURCE]

    def ids(self, source_words: Sequence[str]) -> list[int]:
        """Ids of `source_words`."""
        return self.description.source_vocabulary.encode(source_words)

    def source_ids(self, line: str) -> list[int]:
        """Ids of a source line in the order of the text; none if blank."""
        return self.ids(self.source_words(line))

    def target_words(self, line: str) -> list[str]:
        return self._target.tokenise(line)

    def target_ids(self, words: Sequence[str]) -> list[int]:
        return self.description.target_vocabulary.encode(words)

    def words(self, ids: Sequence[int]) -> list[str]:
        """Target words of ``ids``."""
        return self.description.target_vocabulary.decode(ids)

    def text(self, words: Sequence[str]) -> str:
        """Target words as a line of running text, or of words where text is tokenised."""
        return self._target.detokenise(words)

    def running_text(self, words: Sequence[str]) -> str:
        """Target words as a line of running text, also where text is tokenised."""
        return self._running.detokenise(words)
