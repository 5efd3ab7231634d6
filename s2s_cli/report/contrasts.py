"""Sentences in which two systems differ most, by the scores of single sentences."""

from collections.abc import Sequence
from dataclasses import dataclass

from s2s_cli.scoring.metrics import TextMetric

# BLEU of a sentence is mostly its smoothing, and needs words between spaces.
SENTENCE_METRIC: TextMetric = "chrf"


@dataclass(frozen=True)
class Contrast:
    """A system beside the first one.

    Attributes:
        baseline, system: their names.
        better, worse, equal: numbers of sentences in which the system has the higher score than
            the baseline, the lower, the same.
        ahead, behind: the lines in which it is better, or worse, by most; the largest difference
            first.
    """

    baseline: str
    system: str
    better: int
    worse: int
    equal: int
    ahead: list[int]
    behind: list[int]


def contrast(
    names: tuple[str, str],
    scores: tuple[Sequence[float], Sequence[float]],
    texts: tuple[Sequence[str], Sequence[str]],
    count: int,
) -> Contrast:
    """Compare two systems line by line.

    Args:
        names: of the baseline, and of the system.
        scores: of each line, by `SENTENCE_METRIC`.
        texts: the translations; lines in which a pair of them comes again are not chosen.
        count: lines to choose in each direction.
    """
    gains = [after - before for before, after in zip(*scores, strict=True)]
    first = {pair: line for line, pair in reversed(list(enumerate(zip(*texts, strict=True))))}
    order = sorted(first.values(), key=lambda line: (-gains[line], line))
    ahead = [line for line in order if gains[line] > 0]
    behind = [
        line for line in sorted(order, key=lambda line: (gains[line], line)) if gains[line] < 0
    ]
    better, worse = (sum(sign * gain > 0 for gain in gains) for sign in (1, -1))
    equal = len(gains) - better - worse
    return Contrast(*names, better, worse, equal, ahead[:count], behind[:count])
