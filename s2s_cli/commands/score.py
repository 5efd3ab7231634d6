"""The command ``s2s score``: BLEU on both forms of the text, chrF, perplexity, a list's oracle."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from json import dumps
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, assert_never, get_args

import typer

from s2s_cli.commands.command import command
from s2s_cli.commands.options import Device, PrecisionName
from s2s_cli.console import readable, warn
from s2s_cli.errors import UsageError
from s2s_cli.files import STDIO, name_of, read_lines
from s2s_cli.scoring.languages import choose_language
from s2s_cli.scoring.metrics import (
    LIST_METRICS,
    MODEL_METRICS,
    TEXT_METRICS,
    Metric,
    ModelMetric,
    Score,
    TextMetric,
    score_texts,
)
from s2s_cli.scoring.texts import (
    ScoringConfig,
    Texts,
    check_counts,
    make_texts,
    read_references,
    read_texts,
)
from s2s_cli.text.facts import Facts

if TYPE_CHECKING:
    from s2s_cli.scoring.significance import Comparison

REFERENCES = [Path("corpus/test.fr")]
SOURCE = Path("corpus/test.en")
# As many lines ending like this are what tokenised text looks like, not running text.
SUSPICIOUS = 100


@dataclass(frozen=True)
class PerplexityModel:
    """Models for the perplexity of the first reference; none where it is not asked for."""

    models: list[Path]
    source: Path
    reference: Path
    tokenised: bool
    precision: PrecisionName
    device: str


@command
def score_command(
    settings: ScoringConfig,
    references: Annotated[
        list[Path], typer.Argument(help="References, one translation a line (- is stdin).")
    ] = REFERENCES,
    bare: Annotated[
        Metric | None,
        typer.Option(
            help=f"Print one number alone, with two decimals: {', '.join(get_args(Metric))}."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    model: Annotated[
        list[Path] | None,
        typer.Option(help="Also its perplexity of the first reference (repeat for an ensemble)."),
    ] = None,
    source: Annotated[
        Path, typer.Option(help="Source text of the reference, for the perplexity.")
    ] = SOURCE,
    baseline: Annotated[
        Path | None, typer.Option(help="Also whether the difference to this output is significant.")
    ] = None,
    oracle: Annotated[
        Path | None,
        typer.Option(help="Score this n-best list instead: its own best, and two oracles."),
    ] = None,
    first_id: Annotated[
        int, typer.Option(min=0, help="Id in that list of the first line of the reference.")
    ] = 0,
    system: Annotated[
        list[Path] | None,
        typer.Option(help="Score this output instead (repeat for a table of several)."),
    ] = None,
    precision: PrecisionName = "fp32",
    device: Device = "auto",
) -> None:
    """Score translations: cased BLEU on tokenised and on running text, chrF, perplexity.

    Reads the hypotheses on stdin: s2s score ref.fr < out.fr
    """
    if oracle:
        settings = replace(settings, hypothesis=oracle)
    check_stdin(settings, system or [], references)
    scorer = PerplexityModel(
        model or [], source, references[0], settings.tokenised, precision, device
    )
    if oracle and (scorer.models or baseline):
        raise UsageError("--oracle goes with neither --model nor --baseline")
    if system and (oracle or baseline or model or bare or settings.hypothesis != STDIO):
        raise UsageError(
            "--system goes with none of --hypothesis, --baseline, --oracle, --model and --bare"
        )
    if baseline and (bare or baseline == STDIO):
        raise UsageError("--baseline is a file, and does not go with --bare")
    check_options(bare, json, scorer, of_a_list=oracle is not None)
    facts = model_facts(scorer.models[0]) if scorer.models else None
    settings = replace(settings, language=choose_language(settings.language, facts))
    if system:
        print_systems({path: system_scores(settings, path, references) for path in system}, json)
        return
    scores: dict[Metric, Score]
    if oracle:
        scores, lines = list_scores(settings, references, first_id, bare)
        print_scores(scores, lines, bare, json, {})
        return
    texts = read_texts(settings, references)
    warn_of_tokenised_text(texts)
    if facts and not bare:
        warn_of_pieces(facts, references[0])
    scores = {
        metric: score_texts(metric, texts, settings.bootstrap)
        for metric in TEXT_METRICS
        if bare in (None, metric)
    }
    if scorer.models:
        scores |= {
            metric: model_score(metric, scorer)
            for metric in MODEL_METRICS
            if bare in (None, metric)
        }
    comparisons = compare(settings, baseline, references, texts) if baseline else {}
    print_scores(scores, len(texts.given.hypotheses), bare, json, comparisons)


def check_stdin(settings: ScoringConfig, systems: list[Path], references: list[Path]) -> None:
    """Refuse stdin as two texts, and references that cannot be used.

    Raises:
        UsageError: always then.
    """
    if systems.count(STDIO) > 1:
        raise UsageError("stdin can be one of the outputs; name files for the others")
    first = STDIO if STDIO in systems else systems[0] if systems else settings.hypothesis
    replace(settings, hypothesis=first).check(references)


def system_scores(
    settings: ScoringConfig, system: Path, references: list[Path]
) -> dict[TextMetric, Score]:
    """Score one of several outputs by each metric of text."""
    texts = read_texts(replace(settings, hypothesis=system), references)
    return {metric: score_texts(metric, texts, settings.bootstrap) for metric in TEXT_METRICS}


def print_systems(systems: dict[Path, dict[TextMetric, Score]], json: bool) -> None:
    """Print a row for each output, and each metric's signature once; or one JSON object."""
    if json:
        entries = {str(path): score_entries(each) for path, each in systems.items()}
        print(dumps({"systems": entries}, allow_nan=False))
        return
    (first, *_) = systems.values()
    rows = [["", *(score.name for score in first.values()), "BP", "length ratio"]]
    for path, scores in systems.items():
        parts = scores["bleu-tokenised"].parts
        assert parts is not None
        lengths = f"{parts.brevity_penalty:.3f}", f"{parts.length_ratio:.3f}"
        rows.append([name_of(path), *map(value_with_interval, scores.values()), *lengths])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *cells in rows:
        padded = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        print("  ".join([name.ljust(widths[0]), *padded]).rstrip())
    for score in first.values():
        print(f"{score.name}: {score.signature}")


def print_scores(
    scores: dict[Metric, Score],
    lines: int,
    bare: Metric | None,
    json: bool,
    comparisons: "dict[TextMetric, Comparison]",
) -> None:
    if bare:
        print(readable(scores[bare].value, 2))
    elif json:
        print(as_json(scores, lines, comparisons))
    else:
        for each in scores.values():
            print(as_line(each))
        for comparison in comparisons.values():
            print(comparison_line(comparison))


def check_options(
    bare: Metric | None, json: bool, scorer: PerplexityModel, *, of_a_list: bool
) -> None:
    """Refuse options that do not go together.

    Raises:
        UsageError: says which.
    """
    if bare and json:
        raise UsageError("--bare and --json exclude each other; give one")
    if bare and of_a_list != (bare in LIST_METRICS):
        how = "is not a score of a list" if of_a_list else "needs a list: --oracle LIST"
        raise UsageError(f"--bare {bare} {how}")
    if bare in MODEL_METRICS and not scorer.models:
        raise UsageError(f"--bare {bare} needs a model: --model DIRECTORY")
    if scorer.models and STDIO in (scorer.source, scorer.reference):
        raise UsageError("with --model the source and the first reference must be files, not stdin")


def list_scores(
    settings: ScoringConfig, references: list[Path], first_id: int, bare: Metric | None
) -> tuple[dict[Metric, Score], int]:
    """Score what could be chosen from the list; return also the number of its segments."""
    from s2s_cli.scoring.oracle import list_score, oracles

    words = read_references(settings, references)
    found = oracles(settings.hypothesis, words.references, first_id)
    scores: dict[Metric, Score] = {
        metric: list_score(metric, found, words, settings.bootstrap)
        for metric in LIST_METRICS
        if bare in (None, metric)
    }
    return scores, len(found.listed)


def compare(
    settings: ScoringConfig, baseline: Path, references: list[Path], texts: Texts
) -> "dict[TextMetric, Comparison]":
    """Test the difference to the ``baseline``, by each metric of text."""
    from s2s_cli.scoring.significance import Sizes, compare_texts

    # The references are those of the texts: one of them may have been stdin.
    lines = list(read_lines(baseline))
    check_counts(baseline, len(lines), references[0], len(texts.given.references[0]))
    other = make_texts(settings, lines, texts.given.references)
    sizes = Sizes(settings.bootstrap, settings.trials)
    return {metric: compare_texts(metric, texts, other, sizes) for metric in TEXT_METRICS}


def model_score(metric: ModelMetric, scorer: PerplexityModel) -> Score:
    """Compute the score that the models give the first reference."""
    match metric:
        case "perplexity":
            return model_perplexity(scorer)
        case _:
            assert_never(metric)


def model_perplexity(scorer: PerplexityModel) -> Score:
    """Compute the perplexity per word of the first reference, its <EOS> counted as a word."""
    from s2s_cli.inference.ensemble import load_scorer
    from s2s_cli.model.device import choose_device
    from s2s_cli.rescoring.perplexity import reference_perplexity

    loaded = load_scorer(scorer.models, choose_device(scorer.device), scorer.precision)
    found = reference_perplexity(*loaded, scorer.source, scorer.reference, scorer.tokenised)
    counted = f"words:{found.words}" + (f"|pieces:{found.pieces}" if found.split else "")
    signature = f"{counted}|eos:counted|models:{len(scorer.models)}"
    if scorer.precision != "fp32":
        signature += f"|precision:{scorer.precision}"
    return Score("perplexity", found.value, signature)


def warn_of_tokenised_text(texts: Texts) -> None:
    if texts.tokenised:
        return
    ending = sum(line.endswith(" .") for line in texts.given.hypotheses)
    if ending >= SUSPICIOUS:
        warn(f"{ending} hypotheses end in ` .`; if the texts are tokenised, add --tokenised")


def model_facts(model: Path) -> Facts:
    """Read what a model knows of its text."""
    from s2s_cli.model.directory import Description, model_directory

    return Description.read(model_directory(model)).facts


def warn_of_pieces(facts: Facts, reference: Path) -> None:
    """Warn where the model reads a reference in pieces, which translations are not in."""
    if facts.subwords.given:
        warn(
            f"{name_of(reference)}: the model's perplexity is that of text in pieces, but BLEU and "
            "chrF compare words; for these give a reference in words, without --model"
        )


def as_line(score: Score) -> str:
    parts = "" if score.parts is None else f" {score.parts}"
    return f"{score.name} = {value_with_interval(score)}{parts} {score.signature}"


def value_with_interval(score: Score) -> str:
    interval = "" if score.low is None else f" [{score.low:.2f}, {score.high:.2f}]"
    return f"{readable(score.value, 2)}{interval}"


def comparison_line(comparison: "Comparison") -> str:
    score, baseline = comparison.score, comparison.baseline
    if comparison.exact:
        lines = comparison.differing_lines
        randomisation = f"exact randomisation (all {comparison.trials} exchanges of {lines} lines)"
    else:
        randomisation = f"approximate randomisation (n = {comparison.trials})"
    return (
        f"{score.name}, difference to the baseline = {comparison.difference:+.2f} "
        f"({score.value:.2f} [{score.low:.2f}, {score.high:.2f}], "
        f"baseline {baseline.value:.2f} [{baseline.low:.2f}, {baseline.high:.2f}]), "
        f"p = {comparison.bootstrap_p:.4f} by paired bootstrap (n = {comparison.resamples}), "
        f"p = {comparison.randomisation_p:.4f} by {randomisation} {score.signature}"
    )


def as_json(
    scores: dict[Metric, Score], lines: int, comparisons: "dict[TextMetric, Comparison]"
) -> str:
    """Write one object: the number of lines, and under ``scores`` one object for each metric.

    Under ``baseline``, where there is one, the tests of the difference by each metric.
    """
    document: dict[str, object] = {"lines": lines, "scores": score_entries(scores)}
    if comparisons:
        document["baseline"] = {
            metric: {"difference": each.difference, **asdict(each)}
            for metric, each in comparisons.items()
        }
    return dumps(document, allow_nan=False)


def score_entries(scores: Mapping[Any, Score]) -> dict[str, dict[str, Any]]:
    """Make an object of each score, by its metric."""
    entries = {str(metric): asdict(score) for metric, score in scores.items()}
    for entry in entries.values():
        if not isfinite(entry["value"]):  # JSON has no word for infinity
            entry["value"] = None
    return entries
