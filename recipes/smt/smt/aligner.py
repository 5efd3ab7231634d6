"""Word alignment: IBM model 2 as fast_align has it (Dyer, Chahuneau and Smith 2013).

A target word comes from the empty word with a fixed probability, and otherwise from a source word
near the diagonal; how near is learned, one number for the whole text. Sentences of equal lengths
are computed together, as one array [sentences, target words, source words].
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from smt.corpus import Array, Text

ITERATIONS = 5
NULL = 0.08  # probability of the empty word
FIRST_TENSION, LEAST_TENSION, MOST_TENSION = 4.0, 0.1, 14.0
TENSION_STEPS, TENSION_RATE = 8, 20.0
ALPHA = 0.01  # of the Dirichlet prior of a source word's translations
BLOCK_LINKS = 1 << 21


@dataclass(frozen=True)
class Shape:
    """Sentences of the same lengths, which are neighbours in the arrays of links.

    Attributes:
        sentences: their numbers in the text, int64 [sentences].
        sizes: target words and source words of each.
        first: where their links begin.
    """

    sentences: Array
    sizes: tuple[int, int]
    first: int

    def blocks(self) -> Iterator[tuple[Array, slice]]:
        """Cut it into blocks of bounded size: the sentences, and where their links are."""
        each = self.sizes[0] * self.sizes[1]
        step = max(1, BLOCK_LINKS // each)
        for start in range(0, len(self.sentences), step):
            part = self.sentences[start : start + step]
            begin = self.first + start * each
            yield part, slice(begin, begin + len(part) * each)


def sentence_shapes(source: Text, target: Text) -> list[Shape]:
    """Group the sentences by their lengths."""
    lengths = np.stack([target.lengths, source.lengths])
    order = np.lexsort(lengths[::-1])
    cuts = np.flatnonzero(np.any(np.diff(lengths[:, order], axis=1), axis=0)) + 1
    shapes, first = [], 0
    for numbers in np.split(order, cuts):
        rows, columns = (int(size) for size in lengths[:, numbers[0]])
        shapes.append(Shape(numbers, (rows, columns), first))
        first += len(numbers) * rows * columns
    return shapes


def sentence_words(text: Text, sentences: Array, size: int) -> Array:
    """The words of sentences that all have ``size``, [sentences, size]."""
    return text.words[text.starts[sentences][:, None] + np.arange(size)]


class Links:
    """Each source word of each sentence with each target word: which pair of words it is.

    Attributes:
        shapes: the groups of sentences.
        pairs: index in ``kinds`` of each link, int32 [links].
        kinds: source word * target words + target word, sorted, int64 [pairs].
    """

    def __init__(self, source: Text, target: Text) -> None:
        """Number the pairs of words that occur together."""
        self.source, self.target = source, target
        self.shapes = sentence_shapes(source, target)
        self.kinds = self._find_kinds()
        last = self.shapes[-1]
        self.pairs = np.empty(last.first + len(last.sentences) * np.prod(last.sizes), np.int32)
        for keys, where in self._keys():
            unique, inverse = np.unique(keys, return_inverse=True)
            self.pairs[where] = np.searchsorted(self.kinds, unique)[inverse]

    def _keys(self) -> Iterator[tuple[Array, slice]]:
        count = len(self.target.vocabulary)
        for shape in self.shapes:
            rows, columns = shape.sizes
            for part, where in shape.blocks():
                sources = sentence_words(self.source, part, columns).astype(np.int64) * count
                targets = sentence_words(self.target, part, rows)
                yield (targets[:, :, None] + sources[:, None, :]).ravel(), where

    def _find_kinds(self) -> Array:
        waiting: list[Array] = []
        kinds, size = np.empty(0, np.int64), 0
        for keys, _ in self._keys():
            waiting.append(np.unique(keys))
            size += len(waiting[-1])
            if size > max(4 * BLOCK_LINKS, len(kinds)):
                kinds, waiting, size = np.unique(np.concatenate([kinds, *waiting])), [], 0
        return np.unique(np.concatenate([kinds, *waiting]))


class Diagonal:
    """Probabilities of positions: ``exp(-tension * distance)`` from the diagonal, normalised.

    Attributes:
        tension: how much nearness counts.
        offsets: where the table [target words, source words] of each pair of sizes begins.
    """

    def __init__(self, sizes: list[tuple[int, int]], weights: list[int]) -> None:
        """Prepare for sentences of these sizes; ``weights``: how many have each."""
        self.tension = FIRST_TENSION
        self.sizes = sizes
        tables = [distances(*size) for size in sizes]
        self.distance = np.concatenate([table.ravel() for table in tables])
        columns = np.concatenate([np.full(rows, many) for rows, many in sizes])
        self.starts = np.cumsum(columns) - columns
        self.columns = columns
        self.weights = np.repeat(weights, [rows for rows, _ in sizes])
        self.offsets = np.cumsum([0, *(rows * many for rows, many in sizes)])

    def table(self) -> Array:
        """Probabilities of the source positions, for each target position of each size, flat."""
        shape = np.exp(-self.tension * self.distance)
        sums = np.add.reduceat(shape, self.starts)
        return shape * np.repeat((1 - NULL) / sums, self.columns)

    def expected_distance(self) -> float:
        """Mean distance of all target words under the table."""
        means = np.add.reduceat(self.table() * self.distance, self.starts) / (1 - NULL)
        return float(np.average(means, weights=self.weights))

    def fit(self, seen: float) -> None:
        """Move the tension so that the expected distance comes near the one ``seen``."""
        for _ in range(TENSION_STEPS):
            moved = self.tension + (self.expected_distance() - seen) * TENSION_RATE
            self.tension = min(max(moved, LEAST_TENSION), MOST_TENSION)


def distances(rows: int, columns: int) -> Array:
    """Distance of each link from the diagonal, [rows, columns]."""
    row, column = (np.arange(1, size + 1) / size for size in (rows, columns))
    return np.abs(column[None, :] - row[:, None])


class Direction:
    """One direction of alignment: words that generate, and words that are generated.

    Attributes:
        given: the generating word of each pair, int32 [pairs].
        theta: translation probability of each pair, float32 [pairs].
        theta_null: that of each generated word from the empty word, float32 [words].
    """

    def __init__(self, links: Links, inverse: bool) -> None:
        """Begin with equal probabilities; ``inverse``: the target generates the source."""
        self.links, self.inverse = links, inverse
        generated = links.source if inverse else links.target
        generating = links.target if inverse else links.source
        count = len(links.target.vocabulary)
        self.given = (links.kinds % count if inverse else links.kinds // count).astype(np.int32)
        self.generated, self.choices = generated, len(generated.vocabulary)
        self.generating_words = len(generating.vocabulary)
        self.theta = np.ones(len(links.kinds), np.float32)
        self.theta_null = np.ones(self.choices, np.float32)
        sizes = [shape.sizes[::-1] if inverse else shape.sizes for shape in links.shapes]
        self.diagonal = Diagonal(sizes, [len(shape.sentences) for shape in links.shapes])

    def weights(self) -> Iterator[tuple[int, Array, slice, Array, Array]]:
        """Yield blocks: shape, sentences, links, weights of these [sentences, generated words,
        generating words], and weights of the empty word [sentences, generated words].
        """
        table = self.diagonal.table().astype(np.float32)
        for number, shape in enumerate(self.links.shapes):
            rows, columns = self.diagonal.sizes[number]
            prior = table[slice(*self.diagonal.offsets[number : number + 2])].reshape(rows, columns)
            for part, where in shape.blocks():
                theta = self.theta[self.links.pairs[where]].reshape(len(part), *shape.sizes)
                if self.inverse:
                    theta = theta.transpose(0, 2, 1)
                words = sentence_words(self.generated, part, rows)
                yield number, part, where, theta * prior, self.theta_null[words] * np.float32(NULL)

    def iterate(self, fit: bool) -> None:
        """Do one iteration of variational EM; ``fit``: move the tension, too."""
        counts = Counter(len(self.theta))
        null_counts = np.zeros(self.choices)
        seen = 0.0
        for number, part, where, weights, empty in self.weights():
            total = weights.sum(2) + empty
            weights /= total[:, :, None]
            rows, columns = self.diagonal.sizes[number]
            seen += float((weights.sum(0, np.float64) * distances(rows, columns)).sum())
            links = weights.transpose(0, 2, 1) if self.inverse else weights
            counts.add(self.links.pairs[where], links.ravel())
            words = sentence_words(self.generated, part, rows)
            null_counts += np.bincount(
                words.ravel(), (empty / total).ravel(), minlength=self.choices
            )
        if fit:
            self.diagonal.fit(seen / len(self.generated.words))
        self._maximise(counts.total(), null_counts)

    def _maximise(self, counts: Array, null_counts: Array) -> None:
        prior = ALPHA * self.choices
        sums = digamma(np.bincount(self.given, counts, self.generating_words) + prior)
        for start in range(0, len(counts), BLOCK_LINKS):
            part = slice(start, start + BLOCK_LINKS)
            self.theta[part] = np.exp(digamma(counts[part] + ALPHA) - sums[self.given[part]])
        null_sum = digamma(np.array([null_counts.sum() + prior]))
        self.theta_null = np.exp(digamma(null_counts + ALPHA) - null_sum).astype(np.float32)

    def best(self) -> Array:
        """For each generated word the position of the word it most likely comes from, or -1.

        Returns:
            int16, as long as the words of the generated text.
        """
        found = np.empty(len(self.generated.words), np.int16)
        for number, part, _, weights, empty in self.weights():
            choice = weights.argmax(2)
            best = np.take_along_axis(weights, choice[:, :, None], 2)[:, :, 0]
            rows, _ = self.diagonal.sizes[number]
            where = self.generated.starts[part][:, None] + np.arange(rows)
            found[where] = np.where(empty > best, -1, choice)
        return found


class Counter:
    """Sums of fractional counts, which are collected in blocks of bounded size."""

    def __init__(self, kinds: int) -> None:
        self.sums = np.zeros(kinds)
        self.waiting: list[tuple[Array, Array]] = []
        self.size = 0

    def add(self, ids: Array, counts: Array) -> None:
        """Add ``counts`` to the sums of ``ids``."""
        self.waiting.append((ids, counts))
        self.size += len(ids)
        if self.size >= max(BLOCK_LINKS, len(self.sums)):
            self.total()

    def total(self) -> Array:
        """Return the sums so far."""
        if self.waiting:
            ids, counts = (np.concatenate(each) for each in zip(*self.waiting, strict=True))
            self.sums += np.bincount(ids, counts, len(self.sums))
            self.waiting, self.size = [], 0
        return self.sums


def digamma(x: Array) -> Array:
    """Derivative of the logarithm of the gamma function, for x > 0."""
    shift, x = np.zeros_like(x), x.copy()
    for _ in range(6):
        shift -= 1 / x
        x += 1
    square = 1 / (x * x)
    series = square * (1 / 12 - square * (1 / 120 - square / 252))
    return shift + np.log(x) - 0.5 / x - series


def align_both(source: Text, target: Text) -> Iterator[Array]:
    """Align both ways: first each target word to a source position, then the other way round."""
    links = Links(source, target)
    for inverse in (False, True):
        direction = Direction(links, inverse)
        for iteration in range(ITERATIONS):
            direction.iterate(fit=iteration > 0)
        yield direction.best()
