"""The table of metrics, and scores of a whole text, none without its signature.

A new metric of text is a word of `TextMetric` and a case of `corpus_metric`: scores, intervals,
comparisons with a baseline and the options of the command line follow from these.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, assert_never, get_args

from s2s_cli.scoring.languages import BleuTokeniser
from s2s_cli.scoring.texts import AS_GIVEN, Form, Texts

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric as SacrebleuMetric

# Compare hypotheses with references.
TextMetric = Literal["bleu-tokenised", "bleu-detokenised", "chrf"]
# Score a model, or an ensemble, by the first reference.
ModelMetric = Literal["perplexity"]
# Score what the order of an n-best list, and two oracles, choose from it (`scoring.oracle`).
ListMetric = Literal["list-best", "oracle-sentence", "oracle-corpus"]
# Score each line of the first reference by a model.
LineMetric = Literal["log-probability"]
Metric = Literal[TextMetric, ModelMetric, ListMetric, LineMetric]

TEXT_METRICS: tuple[TextMetric, ...] = get_args(TextMetric)
MODEL_METRICS: tuple[ModelMetric, ...] = get_args(ModelMetric)
LIST_METRICS: tuple[ListMetric, ...] = get_args(ListMetric)
LINE_METRICS: tuple[LineMetric, ...] = get_args(LineMetric)


@dataclass(frozen=True)
class BleuParts:
    """Parts of a BLEU score.

    Attributes:
        precisions: of n-grams of orders 1 to 4, from 0 to 100.
        brevity_penalty: from 0 to 1.
        length, reference_length: in words.
    """

    precisions: tuple[float, ...]
    brevity_penalty: float
    length: int
    reference_length: int

    def __str__(self) -> str:
        precisions = "/".join(f"{each:.1f}" for each in self.precisions)
        ratio = self.length_ratio
        return f"{precisions} (BP {self.brevity_penalty:.3f}, length ratio {ratio:.3f})"

    @property
    def length_ratio(self) -> float:
        """Length of the hypotheses in lengths of the references."""
        return self.length / self.reference_length if self.reference_length else 0.0


@dataclass(frozen=True)
class Score:
    """One number and how it was made.

    Attributes:
        name: the metric, with the form of text it was taken on.
        value: from 0 to 100 for BLEU and chrF.
        signature: ``key:value`` pairs between bars.
        low, high: 95 % interval of the bootstrap, None where it was not asked for.
        parts: of BLEU; None of other metrics.
    """

    name: str
    value: float
    signature: str
    low: float | None = None
    high: float | None = None
    parts: BleuParts | None = None


@dataclass(frozen=True)
class CorpusMetric:
    """A metric of text as sacreBLEU counts it, and the form of text that it compares.

    Attributes:
        name: for people, with the form of text.
        on_words: it compares words between spaces, not running text.
        sacrebleu: counts and signs.
    """

    name: str
    on_words: bool
    sacrebleu: "SacrebleuMetric"

    def form(self, texts: Texts) -> Form:
        """The form of ``texts`` that is compared."""
        return texts.words if self.on_words else texts.running

    def comparable(self, *texts: Sequence[str]) -> list[list[str]]:
        """``texts``, each with as many lines, as sacreBLEU is to compare them."""
        return numbered(texts) if self.on_words else [list(lines) for lines in texts]

    def signature(self, signature: str, tokeniser: str) -> str:
        """Add what made the form of the text to sacreBLEU's ``signature``."""
        if self.on_words:
            made = f"words:{tokeniser}"
        else:
            made = "" if tokeniser == AS_GIVEN else f"detok:{tokeniser}"
        return "|".join(filter(None, [signature, made]))


def corpus_metric(metric: TextMetric, bleu_tokeniser: BleuTokeniser = "13a") -> CorpusMetric:
    """The definition of ``metric``; ``bleu_tokeniser`` splits running text for BLEU."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    match metric:
        case "bleu-tokenised":
            # Cased BLEU as multi-bleu.perl counts it: up to 4-grams, closest reference length (the
            # shorter of two as close), no smoothing: 0 where an order has no match.
            bleu = with_whole_sums(BLEU(tokenize="none", smooth_method="none", force=True))
            return CorpusMetric("BLEU (tokenised)", on_words=True, sacrebleu=bleu)
        case "bleu-detokenised":
            # Cased BLEU as the sacrebleu command counts it.
            bleu = BLEU(tokenize=bleu_tokeniser, force=True)
            return CorpusMetric(
                "BLEU (detokenised)", on_words=False, sacrebleu=with_whole_sums(bleu)
            )
        case "chrf":
            # chrF2: F-score of character 1- to 6-grams, recall counted twice.
            chrf = with_whole_sums(CHRF())
            return CorpusMetric("chrF2 (detokenised)", on_words=False, sacrebleu=chrf)
        case _:
            assert_never(metric)


def corpus_score(metric: TextMetric, form: Form, bootstrap: int = 0) -> Score:
    """The score of ``form``, which is in the form that ``metric`` compares.

    The interval is sacreBLEU's: the mean of the resamples ± half the width of their middle 95 %,
    from a fixed seed (in the signature). ``bootstrap`` is 0 for none, or at least 100.
    """
    return metric_score(corpus_metric(metric, form.bleu_tokeniser), form, bootstrap)


def smoothed_bleu(form: Form, bootstrap: int = 0) -> Score:
    """BLEU of ``form``, which is tokenised, where an order of n-grams has no match.

    Of orders without a match, the precision is that of half a match, a quarter, ... (sacreBLEU's
    ``exp``), and orders that no hypothesis is long enough for do not count. Otherwise it is BLEU.
    """
    from sacrebleu.metrics.bleu import BLEU

    bleu = BLEU(tokenize="none", smooth_method="exp", effective_order=True, force=True)
    definition = CorpusMetric("BLEU (tokenised, smoothed)", True, with_whole_sums(bleu))
    return metric_score(definition, form, bootstrap)


def metric_score(definition: CorpusMetric, form: Form, bootstrap: int) -> Score:
    """The score of ``form`` by ``definition``, as `corpus_score`."""
    name, sacrebleu = definition.name, definition.sacrebleu
    hypotheses, *references = definition.comparable(form.hypotheses, *form.references)
    result = sacrebleu.corpus_score(hypotheses, references, n_bootstrap=bootstrap)
    signature = definition.signature(str(sacrebleu.get_signature()), form.tokeniser)
    value = min(float(result.score), 100.0)  # rounding may reach 100.00000000000004
    parts = bleu_parts(result)
    if not bootstrap:
        return Score(name, value, signature, parts=parts)
    middle, half = float(result._mean), float(result._ci)
    return Score(name, value, signature, middle - half, middle + half, parts)


def bleu_parts(result: Any) -> BleuParts | None:
    """The parts of a BLEU score of sacreBLEU's; None of another metric."""
    if not hasattr(result, "precisions"):
        return None
    precisions = tuple(map(float, result.precisions))
    return BleuParts(precisions, float(result.bp), int(result.sys_len), int(result.ref_len))


def score_texts(metric: TextMetric, texts: Texts, bootstrap: int = 0) -> Score:
    """The score of ``texts``, brought into the form that ``metric`` compares."""
    return corpus_score(metric, corpus_metric(metric).form(texts), bootstrap)


def with_whole_sums(metric: "SacrebleuMetric") -> "SacrebleuMetric":
    """Make scores of resamples exact: of sums that are integers.

    sacreBLEU sums in fp32 there, whose rounding would make equal scores differ.
    """
    compute = metric._compute_score_from_stats
    metric._compute_score_from_stats = (  # type: ignore[method-assign]
        lambda stats: compute(list(map(int, stats)))
    )
    return metric


def numbered(texts: Sequence[Sequence[str]]) -> list[list[str]]:
    """``texts`` with a number for each distinct word, the same in all of them.

    sacreBLEU would split at every Unicode space; Perl splits bytes at ASCII white space, so a
    no-break space is part of a word. BLEU only asks which words are equal, and numbers keep that.
    """
    numbers: dict[bytes, str] = {}
    return [
        [
            " ".join(numbers.setdefault(word, str(len(numbers))) for word in line.encode().split())
            for line in lines
        ]
        for lines in texts
    ]
