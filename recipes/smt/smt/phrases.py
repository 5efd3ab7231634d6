"""Phrase pairs that are consistent with a word alignment (Och and Ney 2004), in whole arrays.

A pair of spans is consistent if a link joins them and none leaves them. All spans of one length are
computed together, and then widened over target words without a link.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from smt.corpus import Array
from smt.ngrams import positions_left

LONGEST = 7  # words of a phrase; the signature of an alignment has as many bits squared
MONOTONE, SWAP, DISCONTINUOUS = 0, 1, 2
NOWHERE = 1 << 30


@dataclass(frozen=True)
class Aligned:
    """Sentences and their links, with positions in the arrays of all words.

    Attributes:
        source_starts, target_starts: of the sentences, int64 [sentences + 1].
        source, target: both ends of each link, sorted, int64 [links].
    """

    source_starts: Array
    target_starts: Array
    source: Array
    target: Array

    def keys(self) -> Array:
        """One number for each link, sorted, int64 [links]."""
        return np.asarray(self.source * (self.target_starts[-1] + 2) + self.target)

    def is_link(self, keys: Array, source: Array, target: Array) -> Array:
        """Check which of these points are links, bool [points]."""
        wanted = source * (self.target_starts[-1] + 2) + target
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.asarray(keys[place] == wanted)


@dataclass(frozen=True)
class Spans:
    """Phrase pairs: first positions and lengths on both sides, int64 [pairs] each."""

    source: Array
    source_length: Array
    target: Array
    target_length: Array

    def __len__(self) -> int:
        return len(self.source)

    def only(self, which: Array) -> "Spans":
        """Keep some of the pairs."""
        parts = (self.source, self.source_length, self.target, self.target_length)
        return Spans(*(each[which] for each in parts))


def reach(positions: Array, others: Array, count: int) -> tuple[Array, Array]:
    """Lowest and highest other end of the links of each of ``count`` positions."""
    low, high = np.full(count, NOWHERE), np.full(count, -1)
    np.minimum.at(low, positions, others)
    np.maximum.at(high, positions, others)
    return low, high


def windows(low: Array, high: Array, longest: int) -> Iterator[tuple[Array, Array]]:
    """Lowest and highest end over spans of 1, 2, ... words; the last ones run over the end."""
    low_here, high_here = low, high
    for length in range(1, longest + 1):
        if length > 1:
            shift = length - 1
            low_here, high_here = low_here.copy(), high_here.copy()
            np.minimum(low_here[:-shift], low[shift:], out=low_here[:-shift])
            np.maximum(high_here[:-shift], high[shift:], out=high_here[:-shift])
        yield low_here, high_here


def consistent(text: Aligned, longest: int) -> Iterator[Spans]:
    """Find all consistent pairs of at most ``longest`` words a side, by length of the source."""
    sources, targets = int(text.source_starts[-1]), int(text.target_starts[-1])
    low, high = reach(text.source, text.target, sources)
    back_low, back_high = reach(text.target, text.source, targets)
    back = list(windows(back_low, back_high, longest))
    back_lows, back_highs = (np.stack(each) for each in zip(*back, strict=True))
    left = positions_left(text.source_starts)
    free = np.append(back_high < 0, False)
    edges = sentence_edges(text.target_starts)
    for length, (first, last) in enumerate(windows(low, high, longest), 1):
        size = last - first + 1
        at = np.flatnonzero((left >= length) & (last >= 0) & (size <= longest))
        begin, many = first[at], size[at]
        inside = (back_lows[many - 1, begin] >= at) & (back_highs[many - 1, begin] < at + length)
        core = Spans(at, np.full(len(at), length), begin, many).only(inside)
        yield from widened(core, free, edges, longest)


def sentence_edges(starts: Array) -> tuple[Array, Array]:
    """First and end position of the sentence of each word; one more word of no sentence."""
    lengths = np.diff(starts)
    return np.append(np.repeat(starts[:-1], lengths), 0), np.append(
        np.repeat(starts[1:], lengths), 0
    )


def widened(core: Spans, free: Array, edges: tuple[Array, Array], longest: int) -> Iterator[Spans]:
    """Widen target spans over free words on both sides, in all ways."""
    begin, end = edges
    leftwards = core
    while len(leftwards):
        rightwards = leftwards
        while len(rightwards):
            yield rightwards
            after = rightwards.target + rightwards.target_length
            go = (rightwards.target_length < longest) & free[after]
            go &= after < end[rightwards.target]
            rightwards = stretched(rightwards.only(go), 0)
        before = leftwards.target - 1
        go = (leftwards.target_length < longest) & (before >= begin[leftwards.target])
        leftwards = stretched(leftwards.only(go & free[before]), 1)


def stretched(spans: Spans, before: int) -> Spans:
    """Make the target one word longer, at its beginning or its end."""
    return Spans(spans.source, spans.source_length, spans.target - before, spans.target_length + 1)


def orientations(text: Aligned, keys: Array, spans: Spans) -> tuple[Array, Array]:
    """Word-based orientation towards the phrase before and the one after, int64 [pairs] each.

    Both edges of a sentence count as links (Koehn et al. 2005).
    """
    source_end, target_end = spans.source + spans.source_length, spans.target + spans.target_length
    begin = edge_masks(text, spans, source_end, target_end)
    before = orientation(
        text.is_link(keys, spans.source - 1, spans.target - 1) & begin["inner before"]
        | begin["first"],
        text.is_link(keys, source_end, spans.target - 1) & begin["swap before"],
    )
    after = orientation(
        text.is_link(keys, source_end, target_end) & begin["inner after"] | begin["last"],
        text.is_link(keys, spans.source - 1, target_end) & begin["swap after"],
    )
    return before, after


def edge_masks(
    text: Aligned, spans: Spans, source_end: Array, target_end: Array
) -> dict[str, Array]:
    """Which neighbours of a phrase pair are in its sentence, and which are its edges."""
    starts = spans.source == left_edges(text.source_starts)[spans.source]
    target_starts = spans.target == left_edges(text.target_starts)[spans.target]
    ends = source_end == right_edges(text.source_starts)[spans.source]
    target_ends = target_end == right_edges(text.target_starts)[spans.target]
    return {
        "first": starts & target_starts,
        "last": ends & target_ends,
        "inner before": ~starts & ~target_starts,
        "inner after": ~ends & ~target_ends,
        "swap before": ~ends & ~target_starts,
        "swap after": ~starts & ~target_ends,
    }


def left_edges(starts: Array) -> Array:
    return np.repeat(starts[:-1], np.diff(starts))


def right_edges(starts: Array) -> Array:
    return np.repeat(starts[1:], np.diff(starts))


def orientation(monotone: Array, swap: Array) -> Array:
    return np.where(monotone, MONOTONE, np.where(swap, SWAP, DISCONTINUOUS))


def signatures(text: Aligned, spans: Spans) -> Array:
    """The alignment inside each pair as bits: bit i * LONGEST + j joins word i and word j."""
    count = int(text.source_starts[-1])
    low, _ = reach(text.source, text.target, count)
    near = text.target - low[text.source] < 63
    masks = np.zeros(count, np.int64)
    np.bitwise_or.at(
        masks,
        text.source[near],
        np.int64(1) << (text.target - low[text.source])[near],
    )
    found = np.zeros(len(spans), np.int64)
    for i in range(int(spans.source_length.max(initial=0))):
        inside = (spans.source_length > i) & (masks[np.minimum(spans.source + i, count - 1)] != 0)
        at = spans.source[inside] + i
        bits = masks[at] << (low[at] - spans.target[inside])
        found[inside] |= bits << (i * LONGEST)
    return found
