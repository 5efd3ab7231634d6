"""Language model: interpolated modified Kneser-Ney (Chen and Goodman 1998), all n-grams kept.

The n-grams are a trie in arrays. Node w, for each word w, is that word alone; the nodes of each
order follow those of the order below, sorted by their prefix, so the continuations of a node are
neighbours.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from s2s_cli.files import replacing
from smt.corpus import Array, Text
from smt.ngrams import Order, each_order

UNKNOWN, BEGIN, END = 0, 1, 2
RESERVED_IDS = 3
EMPTY = -1  # node of the empty context
FALLBACK = (0.5, 1.0, 1.5)  # discounts where the text is too small to estimate them, as in KenLM
ARRAYS = ("first_child", "word", "suffix", "log_probability", "backoff")


@dataclass(frozen=True)
class Trie:
    """The arrays of a model; see the module.

    Attributes:
        order: words of the longest n-grams.
        vocabulary: the words; the id of each is its place plus `RESERVED_IDS`.
        first_child: where the continuations of each node begin, int64 [nodes + 1].
        word: last word of each node, int32 [nodes].
        suffix: node of the n-gram without its first word, int32 [nodes].
        log_probability: natural, of the last word after the others, float32 [nodes].
        backoff: natural, added where a continuation is missing, float32 [nodes].
    """

    order: int
    vocabulary: list[str]
    first_child: Array
    word: Array
    suffix: Array
    log_probability: Array
    backoff: Array


def with_edges(text: Text) -> tuple[Array, Array]:
    """Put the ids of both edges around each sentence; returns words and starts."""
    count = len(text.lengths)
    starts = text.starts + 2 * np.arange(count + 1)
    words = np.empty(starts[-1], np.int32)
    words[starts[:-1]], words[starts[1:] - 1] = BEGIN, END
    inner = np.arange(len(text.words)) + 2 * np.repeat(np.arange(count), text.lengths) + 1
    words[inner] = text.words + RESERVED_IDS
    return words, starts


def discounts(counts: Array) -> Array:
    """Discounts of n-grams with count 1, 2, and 3 or more, after a 0 for those with none.

    Chen and Goodman's estimate from the numbers of n-grams that have the counts 1 to 4.
    """
    kinds = np.bincount(counts[counts < 5], minlength=5)
    if not kinds[1:5].all():
        return np.array([0.0, *FALLBACK])
    y = kinds[1] / (kinds[1] + 2 * kinds[2])
    found = np.array([c - (c + 1) * y * kinds[c + 1] / kinds[c] for c in (1, 2, 3)])
    if (found < 0).any() or (found > (1, 2, 3)).any():
        return np.array([0.0, *FALLBACK])
    return np.concatenate([[0.0], found])


def train(text: Text, order: int) -> Trie:
    """Estimate the model of all n-grams up to ``order`` words."""
    words, starts = with_edges(text)
    kinds = len(text.vocabulary) + RESERVED_IDS
    orders = list(each_order(words, starts, kinds, order))
    suffixes = [np.full(kinds, EMPTY, np.int32)]
    for below, here in pairwise(orders):
        suffixes.append(below.ids[here.position + 1])
    probabilities: list[Array] = []
    backoffs: list[Array] = []
    for n, here in enumerate(orders):
        counts = here.counts
        if n + 1 < order:
            counts = adjusted_counts(here, words, suffixes[n + 1])
        if n == 0:
            probabilities.append(unigrams(counts))
            continue
        lower = probabilities[-1][suffixes[n]]
        found, backoff = interpolate(counts, here.prefix, lower, len(orders[n - 1].last))
        probabilities.append(found)
        backoffs.append(backoff)
    backoffs.append(np.ones(len(orders[-1].last)))
    return assemble(text.vocabulary, orders, suffixes, probabilities, backoffs)


def adjusted_counts(here: Order, words: Array, suffix_above: Array) -> Array:
    """Count the different words before each n-gram; of those that begin a sentence, occurrences."""
    counts = np.bincount(suffix_above, minlength=len(here.last))
    begins = (here.position >= 0) & (words[here.position] == BEGIN)
    return np.where(begins, here.counts, counts)


def unigrams(counts: Array) -> Array:
    """Probabilities of single words; what is discounted goes to all evenly, also the unknown."""
    counts = counts.copy()
    counts[BEGIN] = 0
    taken = discounts(counts)[np.minimum(counts, 3)]
    uniform = taken.sum() / counts.sum() / (len(counts) - 1)
    found = (counts - taken) / counts.sum() + uniform
    found[BEGIN] = 1.0  # never predicted
    return np.asarray(found)


def interpolate(counts: Array, prefix: Array, lower: Array, prefixes: int) -> tuple[Array, Array]:
    """Probabilities of n-grams, and the share that their prefixes leave to the order below."""
    taken = discounts(counts)[np.minimum(counts, 3)]
    total = np.bincount(prefix, counts, prefixes)
    with np.errstate(invalid="ignore"):
        left = np.bincount(prefix, taken, prefixes) / total
    return (counts - taken) / total[prefix] + left[prefix] * lower, np.where(total > 0, left, 1.0)


def assemble(
    vocabulary: list[str],
    orders: list[Order],
    suffixes: list[Array],
    probabilities: list[Array],
    backoffs: list[Array],
) -> Trie:
    """Number the nodes of all orders through."""
    sizes = [len(each.last) for each in orders]
    offsets = np.cumsum([0, *sizes])
    children = [
        offsets[n + 1] + np.searchsorted(orders[n + 1].prefix, np.arange(sizes[n]))
        for n in range(len(orders) - 1)
    ]
    none = np.full(sizes[-1] + 1, offsets[-1])
    numbered = [suffixes[0]] + [each + offsets[n] for n, each in enumerate(suffixes[1:])]
    with np.errstate(divide="ignore"):
        logs = [
            np.maximum(np.log(np.concatenate(each)), -99.0).astype(np.float32)
            for each in (probabilities, backoffs)
        ]
    return Trie(
        len(orders),
        vocabulary,
        np.concatenate([*children, none]).astype(np.int64),
        np.concatenate([each.last for each in orders]).astype(np.int32),
        np.concatenate(numbered).astype(np.int32),
        *logs,
    )


def save(trie: Trie, path: Path) -> None:
    """Write the model, whole or not at all."""
    words = np.frombuffer("\n".join(trie.vocabulary).encode(), np.uint8)
    arrays = {name: getattr(trie, name) for name in ARRAYS}
    with replacing(path) as out:
        np.savez(out, order=np.array(trie.order), vocabulary=words, **arrays)


def load(path: Path) -> Trie:
    """Read what `save` wrote."""
    with np.load(path) as arrays:
        words = arrays["vocabulary"].tobytes().decode().split("\n")
        return Trie(int(arrays["order"]), words, *(arrays[name] for name in ARRAYS))


class LanguageModel:
    """Looks up probabilities. A state is the node of the longest context with continuations."""

    def __init__(self, trie: Trie) -> None:
        """Prepare the look-ups."""
        self.ids = {word: number for number, word in enumerate(trie.vocabulary, RESERVED_IDS)}
        # Items of memoryviews are Python numbers, made faster than those of arrays.
        self._first_child = trie.first_child.data
        self._word = trie.word.data
        self._suffix = trie.suffix.data
        self._log_probability = trie.log_probability.data
        self._backoff = trie.backoff.data
        self._memo: dict[tuple[int, int], tuple[float, int]] = {}
        self._phrases: dict[tuple[int, tuple[int, ...]], tuple[float, int]] = {}

    def forget(self) -> None:
        """Empty what was remembered for one sentence."""
        self._memo.clear()
        self._phrases.clear()

    def word_ids(self, words: Sequence[str]) -> tuple[int, ...]:
        """Ids of words, `UNKNOWN` for those that the training text lacks."""
        return tuple(self.ids.get(word, UNKNOWN) for word in words)

    def step(self, state: int, word: int) -> tuple[float, int]:
        """Return the natural log probability of the word, and the state after it."""
        found = self._memo.get((state, word))
        if found is None:
            found = self._memo[state, word] = self._look_up(state, word)
        return found

    def _look_up(self, state: int, word: int) -> tuple[float, int]:
        weight, node = 0.0, word
        while state != EMPTY:
            end = self._first_child[state + 1]
            child = bisect_left(self._word, word, self._first_child[state], end)
            if child < end and self._word[child] == word:
                node = child
                break
            weight += self._backoff[state]
            state = self._suffix[state]
        result = weight + self._log_probability[node]
        while node != EMPTY and self._first_child[node] == self._first_child[node + 1]:
            node = self._suffix[node]
        return result, node

    def phrase(self, state: int, words: tuple[int, ...]) -> tuple[float, int]:
        """Return the log probability of several words, and the state after them."""
        key = state, words
        found = self._phrases.get(key)
        if found is None:
            total = 0.0
            for word in words:
                each, state = self.step(state, word)
                total += each
            found = self._phrases[key] = total, state
        return found

    def sentence(self, words: Sequence[str]) -> float:
        """Log probability of a sentence, its end included."""
        inside, state = self.phrase(BEGIN, self.word_ids(words))
        return inside + self.step(state, END)[0]

    def perplexity_exponent(self, sentences: Sequence[Sequence[str]]) -> float:
        """Natural logarithm of the perplexity of text, ends of sentences included."""
        words = sum(len(each) + 1 for each in sentences)
        return -math.fsum(map(self.sentence, sentences)) / words
