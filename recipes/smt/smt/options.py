"""Translation options of a sentence, and the estimate of what is left to translate."""

from collections.abc import Sequence
from dataclasses import dataclass

from smt.features import LM, PHRASES, TRANSLATION, UNKNOWN_WORD, WORDS, weighted
from smt.language_model import EMPTY, LanguageModel
from smt.table_file import TranslationTable

NO_WAY = -1e9  # score of a span that cannot be translated by itself
Three = tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Option:
    """One translation of a span of the source.

    Attributes:
        first, last: the span, both ends included.
        text: the target words.
        words: their ids in the language model.
        translation: the scores of the translation model.
        backward, forward: scores of the orientation towards the phrase before, and after.
        fixed: the part of the score that is the same wherever the option is used.
        estimate: that, with the language model's probability without context.
        unknown: `UNKNOWN_WORD` for a word that is copied, or 0.
    """

    first: int
    last: int
    text: str
    words: tuple[int, ...]
    translation: tuple[float, ...]
    backward: Three
    forward: Three
    fixed: float
    estimate: float
    unknown: float


Spans = dict[tuple[int, int], list[Option]]


class OptionMaker:
    """Makes the options of sentences."""

    def __init__(
        self,
        lm: LanguageModel,
        table: TranslationTable,
        weights: Sequence[float],
        longest: int,
    ) -> None:
        """Take the models, their weights, and the most words of a phrase."""
        self.lm, self.table, self.weights, self.longest = lm, table, weights, longest

    def options(self, sentence: Sequence[str]) -> Spans:
        """Find the options of each span, the best estimate first. An unknown word is copied."""
        spans: Spans = {}
        for first in range(len(sentence)):
            for last in range(first, min(first + self.longest, len(sentence))):
                rows = self.table.get(" ".join(sentence[first : last + 1]))
                unknown = 0.0
                if not rows and first == last:
                    rows, unknown = [(sentence[first], (0.0,) * 4, (0.0,) * 6)], UNKNOWN_WORD
                if rows:
                    made = [self._option(first, last, row, unknown) for row in rows]
                    spans[first, last] = sorted(made, key=lambda each: -each.estimate)
        return spans

    def _option(
        self,
        first: int,
        last: int,
        row: tuple[str, tuple[float, ...], tuple[float, ...]],
        unknown: float,
    ) -> Option:
        text, translation, reordering = row
        words = self.lm.word_ids(text.split(" "))
        weights = self.weights
        fixed = unknown - weights[WORDS] * len(words) + weights[PHRASES]
        fixed += weighted(weights[TRANSLATION:], translation)
        estimate = fixed + weights[LM] * self.lm.phrase(EMPTY, words)[0]
        backward, forward = reordering[:3], reordering[3:]
        return Option(
            first, last, text, words, translation, backward, forward, fixed, estimate, unknown
        )


class FutureCosts:
    """Best estimates of the words that are not covered yet."""

    def __init__(self, spans: Spans, size: int) -> None:
        """Find the best estimate of each span, in one phrase or several."""
        self.size = size
        self._known: dict[int, float] = {}
        self._spans = [[NO_WAY] * (size + 1) for _ in range(size + 1)]
        for length in range(1, size + 1):
            for first in range(size - length + 1):
                self._spans[first][first + length] = self._best(spans, first, first + length)

    def _best(self, spans: Spans, first: int, end: int) -> float:
        row = self._spans[first]
        whole = spans.get((first, end - 1))
        best = whole[0].estimate if whole else NO_WAY
        for middle in range(first + 1, end):
            both = row[middle] + self._spans[middle][end]
            if both > best:
                best = both
        return best

    def uncovered(self, covered: int) -> float:
        """Return the estimate of all words whose bit is not in ``covered``."""
        found = self._known.get(covered)
        if found is None:
            found = self._known[covered] = self._sum(covered)
        return found

    def _sum(self, covered: int) -> float:
        total, start = 0.0, None
        for place in range(self.size + 1):
            free = place < self.size and not covered >> place & 1
            if free and start is None:
                start = place
            elif not free and start is not None:
                total += self._spans[start][place]
                start = None
        return total
