"""The command ``s2s score``: BLEU on both forms of the text, chrF, perplexity, a list's oracle."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from s2s_cli.commands.command import command
from s2s_cli.commands.options import Device, PrecisionName
from s2s_cli.commands.score_options import (
    SOURCE,
    Bare,
    Baseline,
    FirstId,
    FirstReference,
    Json,
    Models,
    MoreReferences,
    Oracle,
    ScoredTranslations,
    Sentences,
    SourceText,
    SystemOutputs,
)
from s2s_cli.commands.score_output import Columns, print_columns, print_scores, print_systems
from s2s_cli.commands.score_texts import name_texts, warn_of_unread_stdin
from s2s_cli.console import warn
from s2s_cli.errors import UsageError, UserError
from s2s_cli.files import STDIO, name_of
from s2s_cli.scoring.languages import choose_language
from s2s_cli.scoring.metrics import (
    LINE_METRICS,
    LIST_METRICS,
    MODEL_METRICS,
    TEXT_METRICS,
    Metric,
    Score,
    TextMetric,
    score_texts,
)
from s2s_cli.scoring.texts import (
    ScoringConfig,
    Texts,
    check_bootstrap,
    check_counts,
    make_texts,
    read_once,
    read_references,
    texts_of,
)
from s2s_cli.text.facts import Facts

if TYPE_CHECKING:
    from s2s_cli.commands.score_model import ScoringModel
    from s2s_cli.scoring.significance import Comparison

# As many lines ending like this are what tokenised text looks like, not running text.
SUSPICIOUS = 100

Lines = Mapping[Path, list[str]]


@dataclass(frozen=True)
class ScoreRequest:
    """Texts to score and numbers to print: the options of `score_command`."""

    settings: ScoringConfig
    references: list[Path]
    bare: Metric | None
    json: bool
    sentences: bool
    model: list[Path]
    source: Path
    baseline: Path | None
    oracle: Path | None
    first_id: int
    systems: list[Path]
    precision: PrecisionName
    device: Device
    facts: Facts | None = None  # of the model

    def wants(self, metric: Metric) -> bool:
        return self.bare in (None, metric)

    @property
    def reads_hypotheses(self) -> bool:
        """False where only the references are scored, by a model."""
        return self.bare not in (*MODEL_METRICS, *LINE_METRICS)

    @property
    def paths(self) -> list[Path]:
        """All files of text that are read."""
        hypotheses = self.systems or [self.settings.hypothesis] * self.reads_hypotheses
        sources = [self.source] if self.model else []
        return [*self.references, *sources, *filter(None, [self.baseline]), *hypotheses]

    def check(self) -> None:
        """Refuse options that do not go together, before any text is read.

        Raises:
            UsageError: says which.
        """
        check_bootstrap(self.settings.bootstrap)
        if self.paths.count(STDIO) > 1:
            raise UsageError(
                "stdin can be one text only, and is the translations unless an argument names "
                "them; name files for the others"
            )
        self.check_kind()
        if self.bare:
            self.check_bare(self.bare)

    def check_kind(self) -> None:
        """Refuse what a list, several outputs and single lines do not go with."""
        if self.oracle and (self.model or self.baseline):
            raise UsageError("--oracle goes with neither --model nor --baseline")
        if self.systems and (self.oracle or self.baseline or self.model or self.bare):
            raise UsageError(
                "several translations are a table, which goes with none of --baseline, --oracle, "
                "--model and --bare; name one translation"
            )
        if self.baseline and self.bare:
            raise UsageError("--baseline does not go with --bare")
        whole = self.oracle or self.systems or self.baseline or self.settings.bootstrap
        if self.sentences and whole:
            raise UsageError(
                "--sentences is for one translation, and goes with none of --oracle, --baseline "
                "and --bootstrap"
            )

    def check_bare(self, bare: Metric) -> None:
        """Refuse one number that is none of what is scored."""
        if self.json:
            raise UsageError("--bare and --json exclude each other; give one")
        if (self.oracle is not None) != (bare in LIST_METRICS):
            how = "is not a score of a list" if self.oracle else "needs a list: --oracle LIST"
            raise UsageError(f"--bare {bare} {how}")
        if bare in LINE_METRICS and not self.sentences:
            raise UsageError(f"--bare {bare} is a score of each line: add --sentences")
        if bare in MODEL_METRICS and self.sentences:
            raise UsageError(f"--bare {bare} is not a score of a line; leave out --sentences")
        if not self.reads_hypotheses and not self.model:
            raise UsageError(f"--bare {bare} needs a model: --model DIRECTORY")


@command
def score_command(
    reference: FirstReference = None,
    translation: ScoredTranslations = None,
    *,
    bare: Bare = None,
    json: Json = False,
    sentences: Sentences = False,
    settings: ScoringConfig,
    references: MoreReferences = None,
    model: Models = None,
    source: SourceText = SOURCE,
    baseline: Baseline = None,
    oracle: Oracle = None,
    first_id: FirstId = 0,
    system: SystemOutputs = None,
    precision: PrecisionName = "fp32",
    device: Device = "auto",
) -> None:
    """Score translations with cased BLEU on tokenised and on running text, and with chrF.

    The first file is the reference, all others are translations. Several translations are printed
    as a table. Each score has a signature, which names everything that it depends on.

    Examples:
        s2s score ref.fr out.fr
        s2s score ref.fr out.fr other.fr --bootstrap 1000
        s2s score ref.fr out.fr --baseline other.fr
        s2s score ref.fr out.fr --source in.en --model model
        s2s decode in.en | s2s score ref.fr --bare bleu-detokenised
    """
    outputs = [settings.hypothesis] * (settings.hypothesis != STDIO) + (system or [])
    texts = name_texts(
        [*([reference] if reference else []), *(translation or [])],
        references or [],
        outputs,
        list_named=oracle is not None,
    )
    if bare in (*MODEL_METRICS, *LINE_METRICS) and texts.as_arguments:
        texts.refuse_translations(f"--bare {bare} is a score of the reference")
    scored, systems = (STDIO, texts.translations) if system else texts.one_or_several()
    settings = replace(settings, hypothesis=oracle or scored)
    request = ScoreRequest(
        settings, texts.references, bare, json, sentences, model or [], source, baseline, oracle,
        first_id, systems, precision, device,
    )  # fmt: skip
    request.check()
    facts = model_facts(request.model[0]) if request.model else None
    language = choose_language(settings.language, facts)
    request = replace(request, settings=replace(settings, language=language), facts=facts)
    if oracle:
        print_list(request)
        return
    lines = read_once(request.paths)
    if systems:
        print_systems({path: output_scores(request, path, lines) for path in systems}, json)
    elif sentences:
        print_columns(sentence_columns(request, lines), json)
    else:
        print_texts(request, lines)
    warn_of_unread_stdin(texts)


def print_list(request: ScoreRequest) -> None:
    """Score what could be chosen from the list."""
    from s2s_cli.scoring.oracle import list_score, oracles

    words = read_references(request.settings, request.references)
    found = oracles(request.settings.hypothesis, words.references, request.first_id)
    scores: dict[Metric, Score] = {
        metric: list_score(metric, found, words, request.settings.bootstrap)
        for metric in LIST_METRICS
        if request.wants(metric)
    }
    print_scores(scores, len(found.listed), request.bare, request.json, {})


def output_scores(request: ScoreRequest, output: Path, lines: Lines) -> dict[TextMetric, Score]:
    """Score one of several outputs by each metric of text."""
    settings = replace(request.settings, hypothesis=output)
    texts = texts_of(settings, request.references, lines)
    return {metric: score_texts(metric, texts, settings.bootstrap) for metric in TEXT_METRICS}


def print_texts(request: ScoreRequest, lines: Lines) -> None:
    """Score the whole text by each metric, and compare it with the baseline."""
    scores: dict[Metric, Score] = {}
    comparisons: dict[TextMetric, Comparison] = {}
    if request.reads_hypotheses:
        texts = checked_texts(request, lines)
        scores |= {
            metric: score_texts(metric, texts, request.settings.bootstrap)
            for metric in TEXT_METRICS
            if request.wants(metric)
        }
        if request.baseline:
            comparisons = compare(request, request.baseline, texts, lines)
    scores |= {
        metric: scoring_model(request, lines).score(metric)
        for metric in MODEL_METRICS
        if request.model and request.wants(metric)
    }
    count = len(lines[request.references[0]])
    print_scores(scores, count, request.bare, request.json, comparisons)


def checked_texts(request: ScoreRequest, lines: Lines) -> Texts:
    """Take hypotheses and references; warn where they look tokenised, or are in pieces."""
    texts = texts_of(request.settings, request.references, lines)
    warn_of_tokenised_text(texts)
    if request.facts and not request.bare:
        warn_of_pieces(request.facts, request.references[0])
    return texts


def sentence_columns(request: ScoreRequest, lines: Lines) -> Columns:
    """Score each line by each metric of text, and the first reference by the model."""
    from s2s_cli.scoring.sentences import sentence_scores

    columns: dict[str, list[float]] = {}
    if request.reads_hypotheses:
        texts = checked_texts(request, lines)
        scores = {
            metric: sentence_scores(metric, texts)
            for metric in TEXT_METRICS
            if request.wants(metric)
        }
        columns |= {metric: [each.value for each in found] for metric, found in scores.items()}
        if not request.bare:
            parts = [each.parts for each in scores["bleu-tokenised"] if each.parts]
            columns["length"] = [each.length for each in parts]
            columns["reference_length"] = [each.reference_length for each in parts]
    for metric in LINE_METRICS:
        if request.model and request.wants(metric):
            columns[metric] = scoring_model(request, lines).line_scores(metric)
    return columns


def scoring_model(request: ScoreRequest, lines: Lines) -> "ScoringModel":
    """Make the models that score the first reference."""
    from s2s_cli.commands.score_model import ScoringModel
    from s2s_cli.rescoring.perplexity import GivenPairs

    reference = request.references[0]
    if not lines[reference]:
        raise UserError(f"{name_of(reference)}: no lines to score")
    pairs = GivenPairs(request.source, reference, lines[request.source], lines[reference])
    tokenised = request.settings.tokenised
    return ScoringModel(request.model, pairs, tokenised, request.precision, request.device)


def compare(
    request: ScoreRequest, baseline: Path, texts: Texts, lines: Lines
) -> "dict[TextMetric, Comparison]":
    """Test the difference to the ``baseline``, by each metric of text."""
    from s2s_cli.scoring.significance import Sizes, compare_texts

    reference = request.references[0]
    check_counts(baseline, len(lines[baseline]), reference, len(lines[reference]))
    settings = request.settings
    other = make_texts(settings, lines[baseline], texts.given.references)
    sizes = Sizes(settings.bootstrap, settings.trials)
    return {metric: compare_texts(metric, texts, other, sizes) for metric in TEXT_METRICS}


def warn_of_tokenised_text(texts: Texts) -> None:
    if texts.tokenised:
        return
    ending = sum(line.endswith(" .") for line in texts.given.hypotheses)
    if ending >= SUSPICIOUS:
        warn(f"{ending} hypotheses end in ` .`; if the texts are tokenised, add --tokenised")


def model_facts(model: Path) -> Facts:
    """Read what a model knows of its text."""
    from s2s_cli.model.description import Description, model_directory

    return Description.read(model_directory(model)).facts


def warn_of_pieces(facts: Facts, reference: Path) -> None:
    """Warn where the model reads a reference in pieces, which translations are not in."""
    if facts.subwords.given:
        warn(
            f"{name_of(reference)}: the model's perplexity is that of text in pieces, but BLEU and "
            "chrF compare words; for these give a reference in words, without --model"
        )
