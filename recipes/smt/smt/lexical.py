"""Lexical weights: how well the words of a phrase pair fit together (Koehn, Och and Marcu 2003)."""

from dataclasses import dataclass

import numpy as np

from smt.corpus import Array
from smt.phrases import LONGEST, Aligned

EMPTY_WORD = 0  # id of the empty word; all others are their id plus 1
IMPOSSIBLE = -20.0  # log probability of words that were never linked


@dataclass(frozen=True)
class WordTable:
    """How often words are linked; one without a link is linked to the empty word.

    Attributes:
        keys: source word * target words + target word, sorted, int64 [pairs].
        counts: of the pairs, float64 [pairs].
        of_source, of_target: links of each word, float64 [words].
    """

    keys: Array
    counts: Array
    of_source: Array
    of_target: Array

    def linked(self, source: Array, target: Array) -> Array:
        """Count the links of pairs of words, both as ids plus 1."""
        wanted = source.astype(np.int64) * len(self.of_target) + target
        place = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where(self.keys[place] == wanted, self.counts[place], 0.0)


def count_words(source: Array, target: Array, links: Aligned, sizes: tuple[int, int]) -> WordTable:
    """Count the linked words.

    Args:
        source: ids of all words of the source.
        target: those of the target.
        links: their links.
        sizes: of both vocabularies.
    """
    alone = np.setdiff1d(np.arange(len(source)), links.source)
    other = np.setdiff1d(np.arange(len(target)), links.target)
    none = EMPTY_WORD
    one = [source[links.source] + 1, source[alone] + 1, np.full(len(other), none)]
    two = [target[links.target] + 1, np.full(len(alone), none), target[other] + 1]
    sources, targets = np.concatenate(one).astype(np.int64), np.concatenate(two)
    keys, counts = np.unique(sources * (sizes[1] + 1) + targets, return_counts=True)
    return WordTable(
        keys,
        counts.astype(float),
        np.bincount(sources, minlength=sizes[0] + 1).astype(float),
        np.bincount(targets, minlength=sizes[1] + 1).astype(float),
    )


def lexical_weights(
    table: WordTable, source: Array, target: Array, alignment: Array
) -> tuple[Array, Array]:
    """Log lexical weights: of the source words given the target, and the other way round.

    A word with several links takes the mean of its probabilities.

    Args:
        table: of linked words.
        source: source words of each phrase pair as ids plus 1, then zeros, int [pairs, LONGEST].
        target: its target words, likewise.
        alignment: links inside each pair, see `phrases.signatures`.
    """
    shape = len(source), LONGEST, LONGEST
    bits = np.arange(LONGEST * LONGEST)
    linked = (alignment[:, None] >> bits & 1).astype(bool).reshape(shape)
    pair, i, j = np.nonzero(linked)
    one, two = source[pair, i], target[pair, j]
    together = table.linked(one, two)
    no_word = np.zeros_like(source)
    given_target = mean_weight(
        (pair, i),
        together / table.of_target[two],
        source,
        table.linked(source, no_word) / max(table.of_target[EMPTY_WORD], 1.0),
    )
    given_source = mean_weight(
        (pair, j),
        together / table.of_source[one],
        target,
        table.linked(no_word, target) / max(table.of_source[EMPTY_WORD], 1.0),
    )
    return given_target, given_source


def mean_weight(
    place: tuple[Array, Array], probabilities: Array, words: Array, from_nothing: Array
) -> Array:
    """Sum over words of the log of the mean probability of the links of each, [pairs]."""
    sums, many = np.zeros(words.shape), np.zeros(words.shape)
    np.add.at(sums, place, probabilities)
    np.add.at(many, place, 1)
    means = np.where(many > 0, sums / np.maximum(many, 1), from_nothing)
    with np.errstate(divide="ignore"):
        logs = np.where(means > 0, np.log(means), IMPOSSIBLE)
    return np.asarray(np.where(words > 0, logs, 0.0).sum(1))
