"""The phrase table of the texts to translate, with lexical reordering, from aligned sentences.

Scores and their order are Moses's: φ(f|e), lex(f|e), φ(e|f), lex(e|f), and for reordering
(msd-bidirectional-fe) monotone, swap and discontinuous towards the phrase before, then after.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from smt.corpus import Array, Text
from smt.lexical import count_words, lexical_weights
from smt.ngrams import each_order
from smt.phrases import LONGEST, Aligned, Spans, consistent, orientations, signatures

SMOOTHING = 0.5  # added to the count of each orientation
BLOCK_SENTENCES = 20_000


@dataclass(frozen=True)
class PhraseIds:
    """Ids of all phrases of a text, of all lengths together.

    Attributes:
        words: of the text.
        at: the id of the phrase of n words at each position within its length, [n - 1].
        offsets: the first id of each length, int64 [lengths + 1].
        positions: where each phrase first occurs, int64 [phrases].
    """

    words: Array
    at: list[Array]
    offsets: Array
    positions: Array

    def __len__(self) -> int:
        return int(self.offsets[-1])

    def of(self, position: Array, length: Array) -> Array:
        """Ids of the phrases of these lengths at these positions."""
        found = np.empty(len(position), np.int64)
        for n, ids in enumerate(self.at, 1):
            which = length == n
            found[which] = ids[position[which]] + self.offsets[n - 1]
        return found

    def lengths(self, ids: Array) -> Array:
        """Words of each phrase."""
        return np.searchsorted(self.offsets, ids, "right")

    def phrase_words(self, ids: Array) -> Array:
        """Words of phrases as ids plus 1, then zeros, int64 [phrases, LONGEST]."""
        place = self.positions[ids][:, None] + np.arange(LONGEST)
        inside = np.arange(LONGEST) < self.lengths(ids)[:, None]
        return np.where(inside, self.words[np.minimum(place, len(self.words) - 1)] + 1, 0)


def phrase_ids(words: Array, starts: Array, kinds: int, longest: int) -> PhraseIds:
    """Number the phrases of a text of at most ``longest`` words."""
    at, positions = [], []
    for order in each_order(words, starts, kinds, longest):
        at.append(order.ids)
        positions.append(order.position)
    offsets = np.cumsum([0, *map(len, positions)])
    return PhraseIds(words, at, offsets, np.concatenate(positions))


@dataclass(frozen=True)
class Counts:
    """Counts of phrase pairs, each with each alignment inside it.

    Attributes:
        keys: source phrase * target phrases + target phrase, int64 [rows].
        alignment: links inside, see `phrases.signatures`, int64 [rows].
        turns: pairs in each orientation, three towards the phrase before, three after, [rows, 6].
    """

    keys: Array
    alignment: Array
    turns: Array


def summed(parts: Iterable[Counts]) -> Counts:
    """Add counts up; the rows are sorted."""
    listed = list(parts)
    keys = np.concatenate([each.keys for each in listed])
    alignment = np.concatenate([each.alignment for each in listed])
    turns = np.concatenate([each.turns for each in listed])
    order = np.lexsort((alignment, keys))
    keys, alignment, turns = keys[order], alignment[order], turns[order]
    if not len(keys):
        return Counts(keys, alignment, turns)
    new = np.append(True, (np.diff(keys) != 0) | (np.diff(alignment) != 0))
    return Counts(keys[new], alignment[new], np.add.reduceat(turns, np.flatnonzero(new)))


@dataclass(frozen=True)
class PhraseTable:
    """Rows of a table, by source phrase, the most frequent translation first.

    Attributes:
        source, target: words as ids plus 1, then zeros, int64 [rows, LONGEST].
        scores: log probabilities of the translation, float64 [rows, 4].
        reordering: log probabilities of orientations, float64 [rows, 6].
        alignment: links inside, int64 [rows].
        counts: of target phrase, source phrase and both, int64 [rows, 3].
    """

    source: Array
    target: Array
    scores: Array
    reordering: Array
    alignment: Array
    counts: Array


class Extraction:
    """Collects phrase pairs over blocks of sentences."""

    def __init__(
        self, source: Text, target: Text, wanted: Sequence[Sequence[str]], longest: int
    ) -> None:
        """Number the phrases; ``wanted``: sentences whose phrases the table is for."""
        self.source_text, self.target_text, self.longest = source, target, longest
        words, starts, kinds = with_sentences(source, wanted)
        self.sources = phrase_ids(words, starts, kinds, longest)
        count = len(target.vocabulary)
        self.targets = phrase_ids(target.words, target.starts, count, longest)
        self.wanted = np.zeros(len(self.sources), bool)
        for n, ids in enumerate(self.sources.at):
            there = ids[len(source.words) :]
            self.wanted[there[there >= 0] + self.sources.offsets[n]] = True
        self.target_counts = np.zeros(len(self.targets), np.int64)

    def blocks(self, links: Aligned) -> Iterator[Counts]:
        """Count the pairs of each block of sentences."""
        for first in range(0, len(links.source_starts) - 1, BLOCK_SENTENCES):
            block, origin = sentence_block(links, first, first + BLOCK_SENTENCES)
            keys = block.keys()
            parts = [
                self._count(block, origin, keys, spans) for spans in consistent(block, self.longest)
            ]
            if parts:
                yield summed(parts)

    def _count(self, block: Aligned, origin: tuple[int, int], keys: Array, spans: Spans) -> Counts:
        target = self.targets.of(spans.target + origin[1], spans.target_length)
        self.target_counts += np.bincount(target, minlength=len(self.targets))
        source = self.sources.of(spans.source + origin[0], spans.source_length)
        which = self.wanted[source]
        spans, source, target = spans.only(which), source[which], target[which]
        turns = np.zeros((len(spans), 6), np.int32)
        before, after = orientations(block, keys, spans)
        every = np.arange(len(spans))
        turns[every, before] = 1
        turns[every, after + 3] = 1
        return Counts(source * len(self.targets) + target, signatures(block, spans), turns)


def with_sentences(text: Text, more: Sequence[Sequence[str]]) -> tuple[Array, Array, int]:
    """Append sentences to a text: words, starts and number of different words of both."""
    ids = {word: number for number, word in enumerate(text.vocabulary)}
    added = [ids.setdefault(word, len(ids)) for sentence in more for word in sentence]
    words = np.concatenate([text.words, np.array(added, np.int32)])
    ends = text.starts[-1] + np.cumsum([len(each) for each in more], dtype=np.int64)
    return words, np.concatenate([text.starts, ends]), len(ids)


def sentence_block(links: Aligned, first: int, last: int) -> tuple[Aligned, tuple[int, int]]:
    """Take some sentences out, with positions of their own, and say where these begin."""
    source, target = links.source_starts[first : last + 1], links.target_starts[first : last + 1]
    part = slice(*np.searchsorted(links.source, [source[0], source[-1]]))
    inside = Aligned(
        source - source[0],
        target - target[0],
        links.source[part] - source[0],
        links.target[part] - target[0],
    )
    return inside, (int(source[0]), int(target[0]))


def build_table(
    source: Text,
    target: Text,
    links: Aligned,
    wanted: Sequence[Sequence[str]],
    longest: int = LONGEST,
    limit: int = 20,
) -> PhraseTable:
    """Make the table of the phrases of ``wanted``, at most ``limit`` translations of each."""
    extraction = Extraction(source, target, wanted, longest)
    parts: list[Counts] = []
    for part in extraction.blocks(links):
        parts.append(part)
        if len(parts) == 4:
            parts = [summed(parts)]
    counts = summed(parts)
    sizes = len(source.vocabulary), len(target.vocabulary)
    words = count_words(source.words, target.words, links, sizes)
    rows = pair_rows(counts)
    target_ids = counts.keys[rows[0]] % len(extraction.targets)
    source_ids = counts.keys[rows[0]] // len(extraction.targets)
    turns = np.add.reduceat(counts.turns, rows[0]) if len(rows[0]) else counts.turns
    both = turns[:, :3].sum(1)
    of_target = extraction.target_counts[target_ids]
    of_source = np.bincount(source_ids, both, len(extraction.sources)).astype(np.int64)[source_ids]
    best = most_frequent(source_ids, both, of_target, target_ids, limit)
    sources = extraction.sources.phrase_words(source_ids[best])
    targets = extraction.targets.phrase_words(target_ids[best])
    alignment = counts.alignment[rows[1][best]]
    both, of_target, of_source = both[best], of_target[best], of_source[best]
    inverse, direct = lexical_weights(words, sources, targets, alignment)
    scores = np.stack([np.log(both / of_target), inverse, np.log(both / of_source), direct], 1)
    reordering = np.log((turns[best] + SMOOTHING) / (both + 3 * SMOOTHING)[:, None])
    frequencies = np.stack([of_target, of_source, both], 1)
    return PhraseTable(sources, targets, scores, reordering, alignment, frequencies)


def pair_rows(counts: Counts) -> tuple[Array, Array]:
    """For each phrase pair its first row, and the row of its most frequent alignment."""
    if not len(counts.keys):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    firsts = np.flatnonzero(np.append(True, np.diff(counts.keys) != 0))
    many = counts.turns[:, :3].sum(1)
    order = np.lexsort((-many, counts.keys))
    return firsts, order[firsts]


def most_frequent(source: Array, both: Array, of_target: Array, target: Array, limit: int) -> Array:
    """Choose the rows of the most frequent translations of each source phrase, in their order.

    Of equals the one that is less often the translation of something else.
    """
    order = np.lexsort((target, of_target, -both, source))
    ranked = source[order]
    firsts = np.searchsorted(ranked, ranked)
    return order[np.arange(len(order)) - firsts < limit]
