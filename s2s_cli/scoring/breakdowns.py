"""BLEU by a property of the source sentence: its length, or how rare its words are (Figure 3)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from s2s_cli.errors import UserError
from s2s_cli.scoring.metrics import (
    Score,
    TextMetric,
    corpus_metric,
    corpus_score,
    smoothed_bleu,
)
from s2s_cli.scoring.systems import Systems
from s2s_cli.scoring.tables import Table
from s2s_cli.scoring.texts import Form, check_bootstrap
from s2s_cli.settings import MANY, setting
from s2s_cli.text.subwords import Splitter
from s2s_cli.text.vocabulary import SYMBOLS, Vocabulary

# The names of the table's columns, which other programs read, say which one it is.
METRIC: TextMetric = "bleu-tokenised"
LENGTH_LABEL = "words of the source sentence (number of sentences)"


@dataclass(frozen=True)
class BinConfig:
    """The number of bins, and of resamples in each of them."""

    bins: int = setting(
        10, "Bins of roughly equal size; sentences of equal value share one.", min=2, max=50
    )
    min_sentences: int = setting(
        30, "Fewest sentences in a bin; a small text has fewer bins.", min=1, max=MANY
    )
    bootstrap: int = setting(
        0, "Bootstrap resamples for 95 % intervals, usually 1000. 0: none.", min=0, max=10_000
    )

    def check(self) -> None:
        """Refuse too few resamples (exit code 2)."""
        check_bootstrap(self.bootstrap)


@dataclass(frozen=True)
class Bin:
    """Sentences that are next to each other in the order of a property.

    Attributes:
        lines: their indices, from 0, in the order of the text.
        low, high: smallest and largest value of the property.
        mean: of the property.
    """

    lines: list[int]
    low: float
    high: float
    mean: float


@dataclass(frozen=True)
class BinScore:
    """Corpus score of one system on the sentences of one bin.

    ``smoothed``: it would be 0 otherwise, since an order of n-grams has no match.
    """

    system: str
    bin: Bin
    score: Score
    smoothed: bool = False


def mean_rank(words: Sequence[str], vocabulary: Vocabulary) -> float:
    """Average frequency rank of ``words``, of which there is at least one.

    The most frequent word of the vocabulary has rank 1; a word outside has the vocabulary's size,
    end of sentence and unknown word counted.
    """
    size, ids = len(vocabulary), vocabulary.ids
    ranks = [ids[word] - SYMBOLS + 1 if word in ids else size for word in words]
    return sum(ranks) / len(ranks)


def length_points(systems: Systems, config: BinConfig) -> list[BinScore]:
    """Score by the length of the source sentence; blank ones are left out."""
    return breakdown(systems, [len(words) or None for words in systems.words], config)


def rarity_points(
    systems: Systems, vocabulary: Vocabulary, pieces: Splitter, config: BinConfig
) -> list[BinScore]:
    """Score by how rare the words, or pieces of words, of the source are; see `mean_rank`."""
    split = map(pieces.split, systems.words)
    ranks = [mean_rank(words, vocabulary) if words else None for words in split]
    return breakdown(systems, ranks, config)


def rarity_label(points: Sequence[BinScore]) -> str:
    """The label of the axis of `rarity_points`, with the size of a bin."""
    each = round(sum(len(point.bin.lines) for point in points) / len(points))
    return f"average frequency rank of the source words (about {each:,} sentences a bin)"


def bins(values: Sequence[float | None], count: int, least: int = 1) -> list[Bin]:
    """The lines of a text in up to ``count`` bins, in ascending order.

    Each line with a value is in one bin, equal values in the same one. Among the places where the
    value changes, bins end at those nearest to even shares; an end that would leave a bin with
    less than half an even share, or less than ``least`` lines, is none. So there are fewer bins
    where many values are equal or lines are few, and none is empty.

    Args:
        values: of each line; None leaves it out.
        count: at least 1.
        least: lines of a bin, unless there are fewer in all.
    """
    order = sorted((value, line) for line, value in enumerate(values) if value is not None)
    changes = [at for at in range(1, len(order)) if order[at - 1][0] < order[at][0]]
    count = max(1, min(count, len(order) // least))
    share = len(order) / count
    wanted = [share * number for number in range(1, count)] if changes else []
    edges = [0]
    for end in sorted({nearest(changes, place) for place in wanted}):
        if min(end - edges[-1], len(order) - end) >= max(share / 2, least):
            edges.append(end)
    return [bin_of(order[begin:end]) for begin, end in pairwise([*edges, len(order)])]


def nearest(places: Sequence[int], wanted: float) -> int:
    """Choose the one of ``places`` that is nearest to ``wanted``; of two as near the first."""
    return min(places, key=lambda place: abs(place - wanted))


def bin_of(inside: Sequence[tuple[float, int]]) -> Bin:
    """The bin of values in ascending order, each with its line."""
    values = [value for value, _ in inside]
    lines = sorted(line for _, line in inside)
    return Bin(lines, values[0], values[-1], math.fsum(values) / len(values))


def breakdown(
    systems: Systems, values: Sequence[float | None], config: BinConfig
) -> list[BinScore]:
    """Scores of every system in every bin, the bins of the first system first.

    Raises:
        UserError: no line has a value.
    """
    if all(value is None for value in values):
        raise UserError("the source has no line that is not blank")
    parts = bins(values, config.bins, config.min_sentences)
    forms = {name: corpus_metric(METRIC).form(texts) for name, texts in systems.texts.items()}
    return [
        bin_score(name, each, form.select(each.lines), config.bootstrap)
        for name, form in forms.items()
        for each in parts
    ]


def bin_score(system: str, part: Bin, form: Form, bootstrap: int) -> BinScore:
    """Score the lines of a bin; few lines may have no 4-gram right and yet be no worth of 0."""
    score = corpus_score(METRIC, form, bootstrap)
    if score.value > 0:
        return BinScore(system, part, score)
    smoothed = smoothed_bleu(form, bootstrap)
    return (
        BinScore(system, part, smoothed, True) if smoothed.value else BinScore(system, part, score)
    )


def points_table(points: Sequence[BinScore], decimals: int) -> Table:
    """A row for each score; values of the property with so many ``decimals``.

    Their mean has one decimal at least.
    """
    names = "system from to mean sentences bleu bleu_low bleu_high signature"
    rows = [
        [
            each.system,
            f"{each.bin.low:.{decimals}f}",
            f"{each.bin.high:.{decimals}f}",
            f"{each.bin.mean:.{max(1, decimals)}f}",
            str(len(each.bin.lines)),
            *("" if value is None else f"{value:.2f}" for value in values),
            each.score.signature,
        ]
        for each in points
        for values in [(each.score.value, each.score.low, each.score.high)]
    ]
    return Table(names.split(), rows)
