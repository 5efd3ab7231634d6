"""The numbers and sentences of the page, from texts and models."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from s2s_cli.console import progress, say
from s2s_cli.report.contents import PageAttention, Report
from s2s_cli.report.contrasts import SENTENCE_METRIC, Contrast, contrast
from s2s_cli.report.examples import MOST_SHOWN_WORDS, spaced_words
from s2s_cli.report.models import ReportedModel
from s2s_cli.scoring.breakdowns import BinConfig, BinScore, length_points, rarity_points
from s2s_cli.scoring.metrics import TEXT_METRICS, TextMetric, score_texts
from s2s_cli.scoring.sentences import sentence_scores
from s2s_cli.scoring.significance import Comparison, Sizes, compare_texts
from s2s_cli.scoring.systems import Systems, TextForm
from s2s_cli.scoring.texts import ScoringConfig, Texts

if TYPE_CHECKING:
    from s2s_cli.report.attention import ShownPair


def make_report(
    title: str,
    form: TextForm,
    systems: Systems,
    models: Sequence[ReportedModel],
    bins: BinConfig,
    examples: int,
) -> Report:
    """Compute all that can be computed of the texts and ``models``.

    Args:
        title: of the page; "" for the usual one.
        form: of the texts.
        systems: with or without a source.
        models: of which the first gives the ranks of words, the first with attention its weights.
        bins: of the breakdowns; its resamples are those of all intervals.
        examples: sentences of each pair of systems and direction.

    Raises:
        UserError: a curve or a model cannot be read; the source has blank lines alone.
    """
    names, texts = list(systems.texts), list(systems.texts.values())
    contrasted = names[1:] if examples else []
    by_line = names if contrasted else []
    with progress("scoring", 2 * len(names) - 1 + len(by_line), "passes") as advance:
        scores = {}
        for name, each in systems.texts.items():
            scores[name] = {
                metric: score_texts(metric, each, bins.bootstrap) for metric in TEXT_METRICS
            }
            advance(1)
        comparisons = {}
        for name, each in zip(names[1:], texts[1:], strict=True):
            comparisons[name] = compare_both(each, texts[0], bins.bootstrap)
            advance(1)
        line_scores = {}
        for name in by_line:
            found = sentence_scores(SENTENCE_METRIC, systems.texts[name])
            line_scores[name] = [score.value for score in found]
            advance(1)
    contrasts = [contrast_of(systems, name, line_scores, examples) for name in contrasted]
    return Report(
        title=title or "Translation report",
        language=form.language,
        source_language=form.source_language,
        systems=systems,
        scores=scores,
        comparisons=comparisons,
        lengths=length_points(systems, bins) if any(systems.words) else [],
        rarity=rarity_of(systems, models, bins),
        models=[each.record() for each in models],
        line_scores=line_scores,
        contrasts=contrasts,
        attention=attention_of(systems, contrasts, models, tokenised=form.tokenised),
    )


def compare_both(texts: Texts, baseline: Texts, resamples: int) -> dict[TextMetric, Comparison]:
    """Test the difference of two systems by each metric."""
    sizes = Sizes(resamples, ScoringConfig.trials)
    return {metric: compare_texts(metric, texts, baseline, sizes) for metric in TEXT_METRICS}


def contrast_of(
    systems: Systems, name: str, scores: Mapping[str, Sequence[float]], examples: int
) -> Contrast:
    """Choose the sentences in which the system ``name`` and the first one differ most."""
    baseline = next(iter(systems.texts))
    texts = (systems.texts[each].given.hypotheses for each in (baseline, name))
    one, other = texts
    return contrast((baseline, name), (scores[baseline], scores[name]), (one, other), examples)


def rarity_of(systems: Systems, models: Sequence[ReportedModel], bins: BinConfig) -> list[BinScore]:
    """Score by how rare the words of the source are to the first model, where there is one."""
    if not models or not any(systems.words):
        return []
    vocabulary = models[0].description.source_vocabulary
    return rarity_points(systems, vocabulary, models[0].splitter, bins)


def attention_of(
    systems: Systems,
    contrasts: Sequence[Contrast],
    models: Sequence[ReportedModel],
    *,
    tokenised: bool,
) -> PageAttention | None:
    """Compute the weights of the sentences that are shown, by the first model that has attention.

    Lines whose words the model reads in another way have none.
    """
    model = next((each for each in models if each.attends), None)
    if model is None or not contrasts or not systems.sources:
        return None
    from s2s_cli.report.attention import attention_of_pairs

    pairs = list(dict.fromkeys(shown_pairs(systems, contrasts)))
    found = attention_of_pairs(model.path, pairs, tokenised=tokenised)
    weights = {
        (pair.source, pair.target): each
        for pair, each in zip(pairs, found, strict=True)
        if each is not None
    }
    if missing := len(pairs) - len(weights):
        say(
            f"{missing} of {len(pairs)} translations have no attention on the page: {model.name} "
            "reads other words there"
        )
    return PageAttention(model.name, weights)


def shown_pairs(systems: Systems, contrasts: Sequence[Contrast]) -> "Iterator[ShownPair]":
    """List the translations that are shown, but those that are shown in part."""
    from s2s_cli.report.attention import ShownPair

    for pair in contrasts:
        for line in pair.ahead + pair.behind:
            for name in (pair.baseline, pair.system):
                texts, source = systems.texts[name], systems.sources[line]
                words = tuple(systems.words[line])
                target = tuple(spaced_words(texts.words.hypotheses[line]))
                if words and max(len(words), len(target)) <= MOST_SHOWN_WORDS:
                    yield ShownPair(source, words, texts.given.hypotheses[line], target)
