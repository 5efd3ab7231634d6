"""Scores of a whole text through sacreBLEU, none without its signature."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from s2s_cli.scoring.texts import AS_GIVEN, Form

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric


@dataclass(frozen=True)
class Score:
    """One number and how it was made.

    Attributes:
        name: the metric, with the form of text it was taken on.
        value: from 0 to 100 for BLEU and chrF.
        signature: ``key:value`` pairs between bars.
        low, high: 95 % interval of the bootstrap, None where it was not asked for.
    """

    name: str
    value: float
    signature: str
    low: float | None = None
    high: float | None = None


def tokenised_bleu(words: Form, bootstrap: int = 0) -> Score:
    """Cased BLEU of tokenised lines as ``multi-bleu.perl`` counts it.

    Up to 4-grams, closest reference length (the shorter of two as close), no smoothing: 0 where
    an order has no match.
    """
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(tokenize="none", smooth_method="none", force=True)
    return scored("BLEU (tokenised)", metric, numbered(words), bootstrap, f"words:{words.maker}")


def detokenised_bleu(running: Form, bootstrap: int = 0) -> Score:
    """Cased BLEU of running text as the ``sacrebleu`` command counts it by default."""
    from sacrebleu.metrics.bleu import BLEU

    return scored("BLEU (detokenised)", BLEU(force=True), running, bootstrap, detokeniser(running))


def chrf(running: Form, bootstrap: int = 0) -> Score:
    """chrF2 of running text: F-score of character 1- to 6-grams, recall counted twice."""
    from sacrebleu.metrics.chrf import CHRF

    return scored("chrF2 (detokenised)", CHRF(), running, bootstrap, detokeniser(running))


def detokeniser(running: Form) -> str:
    return "" if running.maker == AS_GIVEN else f"detok:{running.maker}"


def scored(name: str, metric: "Metric", form: Form, bootstrap: int, extra: str) -> Score:
    """The score of ``form``; ``extra`` joins the signature.

    The interval is sacreBLEU's: the mean of the resamples ± half the width of their middle 95 %,
    from a fixed seed (in the signature). ``bootstrap`` is 0 for none, or at least 100.
    """
    with_plain_floats(metric)
    result = metric.corpus_score(form.hypotheses, form.references, n_bootstrap=bootstrap)
    signature = "|".join(filter(None, [str(metric.get_signature()), extra]))
    if not bootstrap:
        return Score(name, float(result.score), signature)
    middle, half = float(result._mean), float(result._ci)
    return Score(name, float(result.score), signature, middle - half, middle + half)


def with_plain_floats(metric: "Metric") -> None:
    """Have every resample's score a plain float.

    Of sacreBLEU's own some are (no match: 0.0) and some are numpy's, and `statistics.mean`
    refuses the mixture.
    """
    compute = metric._compute_score_from_stats

    def plain(stats: list[Any]) -> Any:
        result = compute(stats)
        result.score = float(result.score)
        return result

    metric._compute_score_from_stats = plain  # type: ignore[method-assign]


def numbered(words: Form) -> Form:
    """``words`` with a number for each distinct word.

    sacreBLEU would split at every Unicode space; Perl splits bytes at ASCII white space, so a
    no-break space is part of a word. BLEU only asks which words are equal, and numbers keep that.
    """
    numbers: dict[bytes, str] = {}

    def renamed(lines: Iterable[str]) -> list[str]:
        return [
            " ".join(numbers.setdefault(word, str(len(numbers))) for word in line.encode().split())
            for line in lines
        ]

    references = [renamed(reference) for reference in words.references]
    return Form(renamed(words.hypotheses), references, words.maker)
