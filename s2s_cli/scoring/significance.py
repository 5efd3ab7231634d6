"""Significance of the difference between two outputs, from sacreBLEU's statistics of each line.

Both tests are paired: approximate randomisation (Noreen 1989), and the bootstrap as Riezler and
Maxwell (2005) define its p. As in sacreBLEU, but effects as large as the observed one count.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import ne
from typing import TYPE_CHECKING, Any, NamedTuple

from s2s_cli.scoring.metrics import CorpusMetric, Score, TextMetric, corpus_metric
from s2s_cli.scoring.texts import Form, Texts

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric as SacrebleuMetric

RESAMPLES = 1000
# Scores from 0 to 100 that differ by less are equal: their arithmetic rounds in the 14th digit.
SCORE_ROUNDING = 1e-9
FIELD_BITS = 40  # of a packed statistic; no text has as many n-grams
ZEROS_AND_ONES = bytes.maketrans(b"01", b"\0\1")


@dataclass(frozen=True)
class Comparison:
    """The difference between an output and a baseline.

    Attributes:
        score: of the output, with its 95 % interval in the paired bootstrap; see `Score`.
        baseline: likewise, over the same resamples.
        bootstrap_p: share of resamples that are as far from their mean as the outputs are apart.
        randomisation_p: share of exchanges of lines after which outputs are as far apart.
        resamples, trials: of these two tests.
        exact: the trials are all exchanges, not a sample of them.
        differing_lines: on which the outputs have other statistics.
    """

    score: Score
    baseline: Score
    bootstrap_p: float
    randomisation_p: float
    resamples: int
    trials: int
    exact: bool
    differing_lines: int

    @property
    def difference(self) -> float:
        return self.score.value - self.baseline.value


@dataclass(frozen=True)
class Sizes:
    """Numbers of resamples of the bootstrap (0: `RESAMPLES`), and of trials of the other test."""

    resamples: int
    trials: int


def compare_texts(metric: TextMetric, texts: Texts, baseline: Texts, sizes: Sizes) -> Comparison:
    """Test ``texts`` against ``baseline`` in both ways, in the form that ``metric`` compares."""
    form = corpus_metric(metric).form
    return compare_forms(metric, form(texts), form(baseline).hypotheses, sizes)


def compare_forms(
    metric: TextMetric, form: Form, baseline: Sequence[str], sizes: Sizes
) -> Comparison:
    """Test ``form`` against ``baseline`` in both ways, from sacreBLEU's seed (in the signature).

    Args:
        metric: by which they are compared.
        form: the output and its references, in the form that ``metric`` compares.
        baseline: lines of the other output, in the same form, at least one.
        sizes: of the tests.
    """
    definition = corpus_metric(metric, form.bleu_tokeniser)
    lines, others, *references = definition.comparable(form.hypotheses, baseline, *form.references)
    counted = definition.sacrebleu
    pairs = LinePairs(
        counted,
        counted._extract_corpus_statistics(lines, references),
        counted._extract_corpus_statistics(others, references),
    )
    bootstrap = paired_bootstrap(pairs, sizes.resamples or RESAMPLES)
    exchanges = randomisation(pairs, sizes.trials, bootstrap.seed)
    signature = comparison_signature(definition, form, bootstrap, exchanges)
    score, other = (
        Score(definition.name, value, signature, *interval)
        for value, interval in zip(pairs.scores(), bootstrap.intervals, strict=True)
    )
    return Comparison(
        score,
        other,
        bootstrap.p,
        exchanges.p,
        bootstrap.resamples,
        exchanges.trials,
        exchanges.exact,
        exchanges.differing_lines,
    )


@dataclass(frozen=True)
class LinePairs:
    """The statistics of each line in two outputs, of which sums give a score.

    Attributes:
        metric: of sacreBLEU.
        output, baseline: N lines of statistics each.
    """

    metric: "SacrebleuMetric"
    output: Sequence[Sequence[int]]
    baseline: Sequence[Sequence[int]]

    def score(self, sums: Sequence[float]) -> float:
        return float(self.metric._compute_score_from_stats(list(sums)).score)

    def scores(self) -> tuple[float, float]:
        """The scores of both outputs, of which none is beyond 100 by rounding."""
        output, baseline = (
            min(100.0, self.score([sum(column) for column in zip(*lines, strict=True)]))
            for lines in (self.output, self.baseline)
        )
        return output, baseline

    def difference(self) -> float:
        """Compute how far the outputs are apart; rounding counts nothing."""
        output, baseline = self.scores()
        return abs(output - baseline) if abs(output - baseline) > SCORE_ROUNDING else 0.0


class Bootstrap(NamedTuple):
    """The paired bootstrap: its p, and the 95 % interval of each output."""

    p: float
    intervals: list[tuple[float, float]]
    resamples: int
    seed: str


def paired_bootstrap(pairs: LinePairs, resamples: int) -> Bootstrap:
    """Run the paired bootstrap over the resamples that sacreBLEU draws.

    Of N lines, no p is below 2^(1-N): the resamples of one line are all alike, and tell nothing.
    """
    from sacrebleu.significance import _bootstrap_resample, estimate_ci

    interval_of: Any = estimate_ci  # typed for an array of numpy
    resample: Any = _bootstrap_resample  # typed for one score of a resample, here there are two
    joined = [[*one, *other] for one, other in zip(pairs.output, pairs.baseline, strict=True)]
    seed, scores = resample(joined, ScoresOfBoth(pairs), resamples)
    intervals = []
    for column in zip(*scores, strict=True):
        middle, half = map(float, interval_of(column))
        intervals.append((middle - half, middle + half))
    observed = pairs.difference()
    differences = [abs(output - baseline) for output, baseline in scores]
    mean = sum(differences) / resamples
    hits = sum(each - mean >= observed - SCORE_ROUNDING for each in differences)
    p = max((hits + 1) / (resamples + 1), 2.0 ** (1 - len(joined))) if observed else 1.0
    return Bootstrap(p, intervals, resamples, seed)


class ScoresOfBoth:
    """A metric, as sacreBLEU's resampling takes it, of two outputs whose statistics are joined."""

    def __init__(self, pairs: LinePairs) -> None:
        self.score = pairs.score

    def _compute_score_from_stats(self, sums: Sequence[float]) -> tuple[float, float]:
        half = len(sums) // 2
        return self.score(sums[:half]), self.score(sums[half:])


class Randomisation(NamedTuple):
    """Randomisation by exchanges of lines; ``exact``: by all of them (`Comparison`)."""

    p: float
    trials: int
    exact: bool
    differing_lines: int


def randomisation(pairs: LinePairs, trials: int, seed: str) -> Randomisation:
    """Exchange lines that differ, in all ways where these are no more than ``trials``.

    Otherwise ``trials`` exchanges are drawn, and the outputs as they are count as one more.
    """
    observed = pairs.difference()
    differing = sum(map(ne, pairs.output, pairs.baseline))
    exact = differing < trials.bit_length()  # 2^differing <= trials
    if exact:
        trials = 2**differing
        masks: Iterable[int] = range(trials)
    else:
        generator = random.Random(None if seed == "none" else int(seed))
        masks = (generator.getrandbits(differing) for _ in range(trials))
    hits = sum(
        abs(pairs.score(one) - pairs.score(other)) >= observed - SCORE_ROUNDING
        for one, other in exchanged_sums(pairs, masks)
    )
    # A sample may lack the two that are always as far apart: none exchanged, and all.
    p = hits / trials if exact else max((hits + 1) / (trials + 1), 2.0 ** (1 - differing))
    return Randomisation(p, trials, exact, differing)


def exchanged_sums(pairs: LinePairs, masks: Iterable[int]) -> Iterator[tuple[list[int], list[int]]]:
    """Sum the statistics of both outputs, with those lines exchanged that each mask says.

    A mask has a bit for each line that differs. All statistics of a line are one integer, so that
    one addition sums them.
    """
    output, baseline = (list(map(packed, each)) for each in (pairs.output, pairs.baseline))
    changes = [other - one for one, other in zip(output, baseline, strict=True) if one != other]
    start, both, width = sum(output), sum(output) + sum(baseline), len(pairs.output[0])
    for mask in masks:
        bits = f"{mask:0{len(changes)}b}".encode().translate(ZEROS_AND_ONES)
        exchanged = start + sum(compress(changes, bits))
        yield unpacked(exchanged, width), unpacked(both - exchanged, width)


def packed(statistics: Sequence[int]) -> int:
    return sum(each << place * FIELD_BITS for place, each in enumerate(statistics))


def unpacked(number: int, width: int) -> list[int]:
    mask = (1 << FIELD_BITS) - 1
    return [number >> place * FIELD_BITS & mask for place in range(width)]


def comparison_signature(
    metric: CorpusMetric, form: Form, bootstrap: Bootstrap, exchanges: Randomisation
) -> str:
    """Write the signature of both tests: sacreBLEU's, and ``ties:counted``, which it does not do.

    ``ar:exact`` stands for all exchanges of the lines that ``differ``.
    """
    signature = metric.sacrebleu.get_signature()
    signature.update("bs", bootstrap.resamples)
    signature.update("ar", "exact" if exchanges.exact else exchanges.trials)
    signature.update("seed", bootstrap.seed)
    signature.update("differ", exchanges.differing_lines)
    signature.update("ties", "counted")
    return metric.signature(str(signature), form.tokeniser)
