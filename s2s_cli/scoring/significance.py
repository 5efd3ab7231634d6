"""Significance of the difference between two outputs: sacreBLEU's paired tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from s2s_cli.scoring.metrics import CorpusMetric, Score, TextMetric, corpus_metric
from s2s_cli.scoring.texts import Form, Texts

RESAMPLES = 1000


@dataclass(frozen=True)
class Comparison:
    """The difference between an output and a baseline.

    Attributes:
        score: of the output, with its 95 % interval in the paired bootstrap; see `Score`.
        baseline: likewise, over the same resamples.
        bootstrap_p: how often resamples differ from their mean by more than the outputs do.
        randomisation_p: how often outputs with lines exchanged at random differ by more.
        resamples, trials: of these two tests.
    """

    score: Score
    baseline: Score
    bootstrap_p: float
    randomisation_p: float
    resamples: int
    trials: int

    @property
    def difference(self) -> float:
        return self.score.value - self.baseline.value


@dataclass(frozen=True)
class Sizes:
    """Numbers of resamples of the bootstrap (0: `RESAMPLES`), and of trials of the other test."""

    resamples: int
    trials: int


def compare_forms(
    metric: TextMetric, form: Form, baseline: Sequence[str], sizes: Sizes
) -> Comparison:
    """Test ``form`` against ``baseline`` in both ways, from sacreBLEU's seed (in the signature).

    Args:
        metric: by which they are compared.
        form: the output and its references, in the form that ``metric`` compares.
        baseline: lines of the other output, in the same form.
        sizes: of the tests.
    """
    definition = corpus_metric(metric, form.bleu_tokeniser)
    lines, others, *references = definition.comparable(form.hypotheses, baseline, *form.references)
    resamples = sizes.resamples or RESAMPLES
    bootstrap, randomisation = (
        paired_test(kind, size, definition, {"baseline": others, "output": lines}, references)
        for kind, size in (("bs", resamples), ("ar", sizes.trials))
    )
    signature = definition.signature(bootstrap.signature, form.tokeniser, f"ar:{sizes.trials}")
    score, other = (
        Score(
            definition.name,
            float(each.score),
            signature,
            float(each.mean - each.ci),
            float(each.mean + each.ci),
        )
        for each in (bootstrap.output, bootstrap.baseline)
    )
    # Of no difference, which chance always reaches, sacreBLEU's p is the smallest there is.
    same = score.value == other.value
    return Comparison(
        score,
        other,
        1.0 if same else float(bootstrap.output.p_value),
        1.0 if same else max(least_p(others, lines), float(randomisation.output.p_value)),
        resamples,
        sizes.trials,
    )


def compare_texts(metric: TextMetric, texts: Texts, baseline: Texts, sizes: Sizes) -> Comparison:
    """Test ``texts`` against ``baseline`` in both ways, in the form that ``metric`` compares."""
    form = corpus_metric(metric).form
    return compare_forms(metric, form(texts), form(baseline).hypotheses, sizes)


class PairedResults(NamedTuple):
    """sacreBLEU's results for each of the two outputs, and their signature."""

    baseline: Any
    output: Any
    signature: str


def paired_test(
    kind: str,
    size: int,
    metric: CorpusMetric,
    systems: Mapping[str, Sequence[str]],
    references: Sequence[Sequence[str]],
) -> PairedResults:
    """Run a paired test of two ``systems``: ``bs`` with ``size`` resamples, ``ar`` with trials."""
    from sacrebleu.significance import PairedTest

    named = {metric.name: metric.sacrebleu}
    signatures, results = PairedTest(list(systems.items()), named, references, kind, size)()
    (name,) = signatures
    baseline, output = results[name]
    return PairedResults(baseline, output, str(signatures[name]))


def least_p(lines: Sequence[str], others: Sequence[str]) -> float:
    """The least p that exchanging the lines that differ can give.

    Of all ways to exchange them, one leaves the two outputs as they are and one swaps them whole.
    sacreBLEU does not count these, which is right only where there are many ways.
    """
    differing = sum(map(str.__ne__, lines, others))
    return min(1.0, 2.0 ** (1 - differing))
