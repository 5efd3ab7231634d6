"""Contents of the page, computed; `s2s_cli.report.page` writes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from s2s_cli.report.contrasts import Contrast
from s2s_cli.report.words import WordWeights
from s2s_cli.scoring.breakdowns import BinScore
from s2s_cli.scoring.curves import LearningCurve
from s2s_cli.scoring.metrics import Score, TextMetric
from s2s_cli.scoring.significance import Comparison
from s2s_cli.scoring.systems import Systems


@dataclass(frozen=True)
class ModelRecord:
    """A model.

    Attributes:
        facts: about it, by their names.
        settings: of its training, likewise; none where they are not known.
        curve: of its training, likewise.
    """

    name: str
    facts: dict[str, str]
    settings: dict[str, str]
    curve: LearningCurve | None


@dataclass(frozen=True)
class PageAttention:
    """The weights of a model by source line and translation, each as they were read."""

    model: str
    weights: Mapping[tuple[str, str], WordWeights]


@dataclass(frozen=True)
class Report:
    """All that the page shows; a part that is empty is left out.

    Attributes:
        title: of the page.
        language, source_language: of the texts.
        systems: source, reference and translations; the first system is the baseline.
        scores: of each system.
        comparisons: of each system with the baseline.
        lengths, rarity: BLEU by length of the source sentence, and by how rare its words are.
        models: facts, settings and curves.
        line_scores: of each system and line, by `contrasts.SENTENCE_METRIC`.
        contrasts: of each system with the baseline.
        attention: of the sentences of ``contrasts``; None without such a model.
    """

    title: str
    language: str
    source_language: str
    systems: Systems
    scores: Mapping[str, Mapping[TextMetric, Score]]
    comparisons: Mapping[str, Mapping[TextMetric, Comparison]] = field(default_factory=dict)
    lengths: list[BinScore] = field(default_factory=list)
    rarity: list[BinScore] = field(default_factory=list)
    models: list[ModelRecord] = field(default_factory=list)
    line_scores: Mapping[str, list[float]] = field(default_factory=dict)
    contrasts: list[Contrast] = field(default_factory=list)
    attention: PageAttention | None = None
