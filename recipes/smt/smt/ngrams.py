"""Exact ids of all n-grams of a text, without dictionaries: one sort for each order."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from smt.corpus import Array


@dataclass(frozen=True)
class Order:
    """The n-grams of one order n, sorted by the id of their first n - 1 words, then by the last.

    Attributes:
        ids: the id of the n-gram that begins at each position; -1 where none does, int32 [words].
        prefix: id, among those of order n - 1, of its first words, int32 [n-grams].
        last: its last word, int32 [n-grams].
        position: where it first occurs, int64 [n-grams].
        counts: how often it occurs, int64 [n-grams].
    """

    ids: Array
    prefix: Array
    last: Array
    position: Array
    counts: Array


def positions_left(starts: Array) -> Array:
    """Count the words from each position to the end of its sentence, int32 [words]."""
    ends = np.repeat(starts[1:], np.diff(starts))
    return (ends - np.arange(starts[-1])).astype(np.int32)


def each_order(words: Array, starts: Array, kinds: int, longest: int) -> Iterator[Order]:
    """Number the n-grams within sentences, for n from 1 to ``longest``.

    The ids of order 1 are the words themselves. Those of a longer n-gram follow the order of their
    prefixes, so that all continuations of a prefix are neighbours: together they are a trie.

    Args:
        words: ids, int32 [words].
        starts: of the sentences, int64 [sentences + 1].
        kinds: number of different words.
        longest: the highest order.
    """
    left = positions_left(starts)
    counts = np.bincount(words, minlength=kinds)
    first = np.full(kinds, -1, np.int64)
    first[words[::-1]] = np.arange(len(words))[::-1]
    every = np.arange(kinds, dtype=np.int32)
    ids = words.astype(np.int32)
    yield Order(ids, np.zeros(kinds, np.int32), every, first, counts)
    for n in range(2, longest + 1):
        at = np.flatnonzero(left >= n)
        keys = ids[at].astype(np.int64) * kinds + words[at + n - 1]
        unique, first, inverse, counts = np.unique(
            keys, return_index=True, return_inverse=True, return_counts=True
        )
        ids = np.full(len(words), -1, np.int32)
        ids[at] = inverse
        prefix, last = (unique // kinds).astype(np.int32), (unique % kinds).astype(np.int32)
        yield Order(ids, prefix, last, at[first], counts)
