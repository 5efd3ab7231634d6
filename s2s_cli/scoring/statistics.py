"""Sufficient statistics of BLEU: the counts that a hypothesis adds to those of a text."""

import math
from collections import Counter
from collections.abc import Sequence

ORDERS = 4

# As sacreBLEU has them: length, closest reference length, matches and n-grams of orders 1 to 4.
Statistics = tuple[int, ...]
Ngram = tuple[bytes, ...]


class References:
    """The references of one segment, to count hypotheses against.

    Words are those of the metric bleu-tokenised: what stands between ASCII white space.
    """

    def __init__(self, references: Sequence[str]) -> None:
        texts = [reference.encode().split() for reference in references]
        self.lengths = sorted(map(len, texts))  # of two as close the shorter one counts
        counts: Counter[Ngram] = Counter()
        for words in texts:
            counts |= Counter(
                gram for order in range(1, ORDERS + 1) for gram in ngrams(words, order)
            )
        orders = range(1, ORDERS + 1)
        self.known = [{gram for gram in counts if len(gram) == order} for order in orders]
        self.repeated = [
            {gram: counts[gram] for gram in known if counts[gram] > 1} for known in self.known
        ]

    def statistics(self, hypothesis: str) -> Statistics:
        """Count ``hypothesis``, which is words between spaces."""
        words = hypothesis.encode().split()
        size = len(words)
        matches = []
        for order in range(1, ORDERS + 1):
            found = self.known[order - 1].intersection(ngrams(words, order))
            count = len(found)
            # Each counted once so far, which is right where the references have it once.
            for gram, most in self.repeated[order - 1].items():
                if gram in found:
                    count += min(list(ngrams(words, order)).count(gram), most) - 1
            matches.append(count)
        totals = [max(0, size - order) for order in range(ORDERS)]
        closest = min(self.lengths, key=lambda length: abs(length - size))
        return (size, closest, *matches, *totals)


def ngrams(words: Sequence[bytes], order: int) -> "zip[Ngram]":
    return zip(*(words[start:] for start in range(order)), strict=False)


def corpus_bleu(statistics: Sequence[int]) -> float:
    """BLEU of summed statistics, from 0 to 100, without smoothing."""
    size, reference = statistics[:2]
    matches, totals = statistics[2 : 2 + ORDERS], statistics[2 + ORDERS :]
    if not all(matches):
        return 0.0
    precision = math.log(math.prod(matches)) - math.log(math.prod(totals))
    return 100 * math.exp(precision / ORDERS + min(0.0, 1 - reference / size))
