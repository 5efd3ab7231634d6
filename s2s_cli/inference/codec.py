"""Conversion between lines of text and ids, by the facts that travel with the model."""

from collections.abc import Sequence

from s2s_cli.model.description import Description
from s2s_cli.text.subwords import places_of_words
from s2s_cli.text.tokenise import make_tokeniser

# A line beyond this many words, or pieces of words, is no sentence; it is cut, and counted, and
# still gives a line.
LONGEST_SOURCE = 1000
# Nothing behind so many characters is looked at, and nothing behind so many bytes is kept in memory
# where thousands of lines are read ahead.
LONGEST_TEXT = 1 << 16
LONGEST_LINE = 4 * LONGEST_TEXT
# With more unknown words than this share, a source is probably not what the model was trained on.
UNKNOWN_SOURCE_SHARE = 0.25


def unknown_words(unknown: int, words: int) -> str:
    """Say that ``unknown`` of the ``words`` of a source are suspiciously many; "" where not."""
    if unknown <= UNKNOWN_SOURCE_SHARE * words:
        return ""
    return (
        f"{unknown / words:.0%} of the words of the source are unknown to the model ({unknown:,} "
        f"of {words:,}); is it in the model's source language, and tokenised as the model expects?"
    )


class TextCodec:
    """Reads and writes text as the model's own training text was read.

    Attributes:
        source_pieces: between the words and the pieces of the source; `target_pieces` likewise.
        cut: sources so far that were cut to `LONGEST_SOURCE`, or to `LONGEST_TEXT`.
    """

    def __init__(self, description: Description, *, tokenised: bool) -> None:
        """Follow ``description``; ``tokenised`` text is split at its spaces and left so."""
        self.description = description
        facts, models = description.facts, description.piece_models
        self._source, self._target = facts.tokenisers(tokenised=tokenised)
        self._running = make_tokeniser(facts.raw_tokeniser, facts.target_language, nfc=facts.nfc)
        self.source_pieces, self.target_pieces = facts.subwords.splitters(models, facts.languages)
        self.cut = 0

    def source_words(self, line: str) -> list[str]:
        """A source line as the model reads it, in words or pieces, in the order of the text.

        None if blank; a line that is too long is cut, and counted.
        """
        pieces = self.source_pieces.split(self._source.tokenise(line[:LONGEST_TEXT]))
        self.cut += len(pieces) > LONGEST_SOURCE or len(line) > LONGEST_TEXT
        return list(pieces[:LONGEST_SOURCE])

    def ids(self, source_words: Sequence[str]) -> list[int]:
        """Ids of `source_words`."""
        return self.description.source_vocabulary.encode(source_words)

    def source_ids(self, line: str) -> list[int]:
        """Ids of a source line in the order of the text; none if blank."""
        return self.ids(self.source_words(line))

    def target_words(self, line: str) -> list[str]:
        return self._target.tokenise(line)

    def target_ids(self, words: Sequence[str]) -> list[int]:
        """Ids of `target_words`, or of a hypothesis as a list has it (`nbest_tokens`)."""
        return self.description.target_vocabulary.encode(self.target_pieces.split(words))

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Decode ``ids`` of the target: words, or pieces of words."""
        return self.description.target_vocabulary.decode(ids)

    def words(self, pieces: Sequence[str]) -> list[str]:
        """The target words that `pieces` make."""
        return self.target_pieces.join(pieces)

    def nbest_tokens(self, pieces: Sequence[str]) -> list[str]:
        """Write `pieces` as an n-best list has them, so that they can be read back.

        Words; but pieces where text comes in pieces, for nothing here could split words.
        """
        return list(pieces) if self.given_pieces else self.words(pieces)

    def pairs(
        self, source: Sequence[str], target: Sequence[str], links: Sequence[int]
    ) -> list[tuple[int, int]]:
        """Places of source and target words that belong together, as `nbest_tokens` has the latter.

        Args:
            source: `source_words`.
            target: `pieces`.
            links: for each of them the place in ``source`` that it belongs to.
        """
        pairs = ((link, place) for place, link in enumerate(links))
        if self.description.facts.subwords.learned:
            of_source, of_target = places_of_words(source), places_of_words(target)
            pairs = ((of_source[one], of_target[other]) for one, other in pairs)
            count = len(self.words(target))  # of a lone mark, none
            pairs = (pair for pair in pairs if pair[1] < count)
        return sorted(set(pairs), key=lambda pair: (pair[1], pair[0]))

    def joined(self, nbest_tokens: Sequence[str]) -> list[str]:
        """The words of a text or hypothesis that is as `target_words` or `nbest_tokens` give it."""
        return self.target_pieces.join(nbest_tokens) if self.given_pieces else list(nbest_tokens)

    @property
    def given_pieces(self) -> bool:
        """True where text comes in pieces, which nothing here can make."""
        return self.description.facts.subwords.given

    def source_text(self, pieces: Sequence[str]) -> str:
        """Words or pieces of the source as a line of running text; see `text`."""
        return self._source.detokenise(self.source_pieces.join(pieces))

    def text(self, words: Sequence[str]) -> str:
        """Target words as a line of running text, or of words where text is tokenised."""
        return self._target.detokenise(words)

    def detokenised(self, words: Sequence[str]) -> str:
        """Target words as a line of running text, also where text is tokenised."""
        return self._running.detokenise(words)
