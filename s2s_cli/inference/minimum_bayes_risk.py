"""Minimum Bayes risk: the hypothesis with the highest expected BLEU under a list's posterior.

Kumar and Byrne, *Minimum Bayes-Risk Decoding for Statistical Machine Translation* (2004). The list
of a segment stands for all its translations, each with a probability p ∝ exp(scale · score); the
expected BLEU of a hypothesis is the mean, by these probabilities, of its sentence BLEU with every
hypothesis as the reference, itself included.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

ORDERS_OF_BLEU = 4
# Distinct hypotheses of a segment that are compared, the most probable ones: time and memory are
# those of their pairs.
MOST_COMPARED = 4096
# Columns of n-grams that are in memory together, and rows of pairs.
MOST_COLUMNS = 4096
PAIR_ROWS = 128
# Digits of an expected BLEU that rounding leaves alone: equal ones stay equal.
EXACT_DIGITS = 7


class Posterior:
    """The distinct texts of a segment, each with its probability.

    Attributes:
        scale: of the scores, which are logarithms.
        omitted: texts that were left out as less probable than `MOST_COMPARED` others.
    """

    def __init__(self, scale: float) -> None:
        self.scale, self.omitted = scale, 0
        # Of each text the highest score, and the sum of exp(scale · (score - highest)).
        self._shares: dict[str, tuple[float, float]] = {}

    def add(self, text: str, score: float) -> None:
        """Count a hypothesis; what is the same text has the sum of the probabilities."""
        score = -math.inf if math.isnan(score) else score
        highest, total = self._shares.get(text, (score, 0.0))
        if score > highest:
            highest, total = score, total * self._ratio(highest, score)
        self._shares[text] = highest, total + self._ratio(score, highest)
        if len(self._shares) > 2 * MOST_COMPARED:
            self._prune()

    def texts(self) -> tuple[list[str], Tensor]:
        """List the texts in the order in which they came, and their probabilities [texts]."""
        self._prune()
        top = max(highest for highest, _ in self._shares.values())
        shares = [total * self._ratio(highest, top) for highest, total in self._shares.values()]
        probabilities = torch.tensor(shares, dtype=torch.float64)
        return list(self._shares), probabilities / probabilities.sum()

    def _ratio(self, score: float, highest: float) -> float:
        """Divide the probability of ``score`` by that of ``highest``."""
        if score == highest:  # also where both are infinite
            return 1.0
        difference = score - highest
        return math.exp(self.scale * difference) if difference > -math.inf else 0.0

    def _log_mass(self, text: str) -> float:
        highest, total = self._shares[text]
        return math.log(total) + (self.scale * highest if self.scale else 0)

    def _prune(self) -> None:
        if len(self._shares) <= MOST_COMPARED:
            return
        ranked = sorted(self._shares, key=self._log_mass, reverse=True)
        kept = set(ranked[:MOST_COMPARED])
        self.omitted += len(ranked) - len(kept)
        self._shares = {text: share for text, share in self._shares.items() if text in kept}


def expected_bleu(posterior: Posterior) -> dict[str, float]:
    """Compute the expected sentence BLEU of each text, best first.

    Of equal ones the more probable text comes first, then the one that came first.
    """
    texts, probabilities = posterior.texts()
    blocks = sentence_bleus(list(map(text_words, texts)))
    values = torch.cat([block @ probabilities for block in blocks]).tolist()
    rounded = [round(value, EXACT_DIGITS) for value in values]
    keys = list(zip(rounded, probabilities.tolist(), strict=True))
    ranking = sorted(range(len(texts)), key=keys.__getitem__, reverse=True)
    return {texts[i]: rounded[i] for i in ranking}


def text_words(text: str) -> list[str]:
    """Split ``text`` at its single spaces; an empty one has no words."""
    return text.split(" ") if text else []


def sentence_bleus(texts: Sequence[Sequence[str]]) -> Iterator[Tensor]:
    """Compute the sentence BLEU of each text with each as its reference.

    Equal to sacreBLEU's ``sentence_bleu``: exponential smoothing (a count of zero is a half, the
    next one a quarter, and so on), and no order that is longer than the text.

    Args:
        texts: of words, all distinct.

    Yields:
        [`PAIR_ROWS` texts, references] in float64, from 0 to 100, for the texts in their order.
    """
    lengths = torch.tensor([len(words) for words in texts])
    totals = torch.stack([(lengths - order).clamp(min=0) for order in range(ORDERS_OF_BLEU)])
    words = word_ids(texts)
    grams, matches = words, []
    for order in range(ORDERS_OF_BLEU):
        if order:
            grams = longer_grams(grams, words[:, order:])
        matches.append(clipped_matches(grams, totals[order]))
    distinct, index = lengths.unique(return_inverse=True)
    brevity = (1 - distinct / distinct.double().clamp(min=1)[:, None]).clamp(max=0).exp()
    for start in range(0, len(texts), PAIR_ROWS):
        rows = slice(start, start + PAIR_ROWS)
        roots = mean_precisions([each[rows] for each in matches], totals[:, rows])
        yield roots.mul_(brevity[index[rows]][:, index]).mul_(100)


def mean_precisions(matches: Sequence[Tensor], totals: Tensor) -> Tensor:
    """Compute the geometric mean of smoothed precisions: [texts, references] in float64.

    Args:
        matches: of each order [texts, references].
        totals: n-grams that each text has [orders, texts].
    """
    count = matches[0].double()
    product = count.clone()
    for order in range(1, ORDERS_OF_BLEU):
        # Where nothing matches, no longer n-gram does: half of the count before, and of 1 at most.
        count = torch.maximum(matches[order], count.clamp_(max=1).mul_(0.5))
        count[totals[order] == 0] = 1
        product *= count
    product /= totals.clamp(min=1).prod(0)[:, None]
    effective = (totals > 0).sum(0)
    for order in range(1, ORDERS_OF_BLEU):
        short = effective == order
        product[short] = product[short] ** (ORDERS_OF_BLEU / order)
    return product.sqrt_().sqrt_()


def word_ids(texts: Sequence[Sequence[str]]) -> Tensor:
    """Number the words of ``texts`` from 1: [texts, places]; 0 is padding."""
    vocabulary: dict[str, int] = {}
    longest = max(ORDERS_OF_BLEU, *map(len, texts))
    rows = [
        [vocabulary.setdefault(word, len(vocabulary) + 1) for word in words]
        + [0] * (longest - len(words))
        for words in texts
    ]
    return torch.tensor(rows, dtype=torch.long)


def longer_grams(grams: Tensor, words: Tensor) -> Tensor:
    """Number the n-grams that are one word longer; 0 where there is none.

    Args:
        grams: [texts, places] those that begin at each place.
        words: [texts, places - 1] the words that follow them.
    """
    pairs = grams[:, : words.shape[1]] * (words.max() + 1) + words
    numbers: Tensor = pairs.unique(return_inverse=True)[1] + 1
    return numbers * (words > 0)


def clipped_matches(grams: Tensor, totals: Tensor) -> Tensor:
    """Count the n-grams that each text shares with each reference, as often as in both.

    The k-th occurrence of an n-gram in a text is an indicator, 0 or 1, so that all counts are one
    product of matrices. Indicators of a single text matter to the diagonal alone, which is known.

    Args:
        grams: [texts, places] numbers of n-grams; 0: none.
        totals: [texts] how many each text has.

    Returns:
        [texts, references] in float32, which holds them exactly.
    """
    rows, columns = shared_indicators(grams)
    count, wide = len(grams), int(columns.max()) + 1 if len(columns) else 0
    matches = torch.zeros(count, count)
    for start in range(0, wide, MOST_COLUMNS):
        inside = (columns >= start) & (columns < start + MOST_COLUMNS)
        indicators = torch.zeros(count, min(MOST_COLUMNS, wide - start))
        indicators[rows[inside], columns[inside] - start] = 1
        matches.addmm_(indicators, indicators.T)
    matches.diagonal().copy_(totals)
    return matches


def shared_indicators(grams: Tensor) -> tuple[Tensor, Tensor]:
    """Find the rows and columns that are 1 in the matrix of indicators [texts, indicators].

    Those that only one text has are left out.
    """
    rows, places = (grams > 0).nonzero(as_tuple=True)
    keys, order = (rows * (grams.max() + 1) + grams[rows, places]).sort()
    _, counts = keys.unique_consecutive(return_counts=True)
    starts = (counts.cumsum(0) - counts).repeat_interleave(counts)
    occurrence = torch.arange(len(keys)) - starts
    rows, places = rows[order], places[order]
    indicators = grams[rows, places] * (grams.shape[1] + 1) + occurrence
    _, columns, texts = indicators.unique(return_inverse=True, return_counts=True)
    shared = texts[columns] > 1
    renumbered = (texts > 1).cumsum(0) - 1
    return rows[shared], renumbered[columns[shared]]
