"""Whether two outputs differ by more than chance: sacreBLEU's paired tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from s2s_cli.scoring.corpus import Score, numbered
from s2s_cli.scoring.texts import AS_GIVEN, Form

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric

RESAMPLES = 1000


@dataclass(frozen=True)
class Comparison:
    """An output beside a baseline.

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
    """Of the two tests: resamples of the bootstrap (0: `RESAMPLES`), trials of the other."""

    resamples: int
    trials: int


def compare_tokenised_bleu(words: Form, baseline: list[str], sizes: Sizes) -> Comparison:
    """By `s2s_cli.scoring.corpus.tokenised_bleu`; ``baseline`` are words, too."""
    from sacrebleu.metrics.bleu import BLEU

    both = numbered(Form(words.hypotheses + baseline, [each * 2 for each in words.references], ""))
    size = len(words.hypotheses)
    form = Form(both.hypotheses[:size], [each[:size] for each in both.references], words.maker)
    metric = BLEU(tokenize="none", smooth_method="none", force=True)
    name, extra = "BLEU (tokenised)", f"words:{words.maker}"
    return compared(name, metric, form, both.hypotheses[size:], sizes, extra)


def compare_detokenised_bleu(running: Form, baseline: list[str], sizes: Sizes) -> Comparison:
    """By `s2s_cli.scoring.corpus.detokenised_bleu`."""
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(force=True)
    return compared("BLEU (detokenised)", metric, running, baseline, sizes, made(running))


def compare_chrf(running: Form, baseline: list[str], sizes: Sizes) -> Comparison:
    """By `s2s_cli.scoring.corpus.chrf`."""
    from sacrebleu.metrics.chrf import CHRF

    return compared("chrF2 (detokenised)", CHRF(), running, baseline, sizes, made(running))


def made(running: Form) -> str:
    return "" if running.maker == AS_GIVEN else f"detok:{running.maker}"


def compared(
    name: str, metric: "Metric", form: Form, baseline: list[str], sizes: Sizes, extra: str
) -> Comparison:
    """Both tests of ``form`` against ``baseline``, from sacreBLEU's seed (in the signature).

    Args:
        name: of the metric, with the form of text.
        metric: sacreBLEU's.
        form: the output and its references.
        baseline: lines of the other output, in the same form.
        sizes: of the tests.
        extra: joins the signature.
    """
    from sacrebleu.significance import PairedTest

    systems: list[tuple[str, Sequence[str]]] = [
        ("baseline", baseline),
        ("output", form.hypotheses),
    ]
    resamples = sizes.resamples or RESAMPLES
    runs = []
    for test, size in (("bs", resamples), ("ar", sizes.trials)):
        signatures, results = PairedTest(systems, {name: metric}, form.references, test, size)()
        (key,) = signatures
        found: list[Any] = list(results[key])  # of the baseline, of the output
        runs.append((found, str(signatures[key])))
    (bootstrap, signature), (randomisation, _) = runs
    scores = [
        Score(
            name,
            float(each.score),
            "|".join(filter(None, [signature, f"ar:{sizes.trials}", extra])),
            float(each.mean - each.ci),
            float(each.mean + each.ci),
        )
        for each in bootstrap
    ]
    # Of no difference, which chance always reaches, sacreBLEU's p is the smallest there is.
    same = scores[0].value == scores[1].value
    least = least_p(baseline, form.hypotheses)
    return Comparison(
        scores[1],
        scores[0],
        1.0 if same else float(bootstrap[1].p_value),
        1.0 if same else max(least, float(randomisation[1].p_value)),
        resamples,
        sizes.trials,
    )


def least_p(lines: Sequence[str], others: Sequence[str]) -> float:
    """The least p that exchanging the lines that differ can give.

    Of all ways to exchange them, one leaves the two outputs as they are and one swaps them whole.
    sacreBLEU does not count these, which is right only where there are many ways.
    """
    differing = sum(map(str.__ne__, lines, others))
    return min(1.0, 2.0 ** (1 - differing))
