"""``s2s score``: BLEU on both forms of the text, chrF, and a model's perplexity."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from s2s_cli.commands.app import command
from s2s_cli.console import warn
from s2s_cli.errors import UserError
from s2s_cli.files import STDIO
from s2s_cli.scoring.corpus import Score, chrf, detokenised_bleu, tokenised_bleu
from s2s_cli.scoring.texts import ScoringConfig, Texts, read_texts

Metric = Literal["bleu-tokenised", "bleu-detokenised", "chrf", "perplexity"]
REFERENCES = [Path("corpus/test.fr")]
SOURCE = Path("corpus/test.en")
# As many lines ending like this are what tokenised text looks like, not running text.
SUSPICIOUS = 100


@dataclass(frozen=True)
class Judge:
    """Models whose perplexity of the first reference is asked for; none where it is not."""

    models: list[Path]
    source: Path
    reference: Path
    tokenised: bool


@command("score")
def score(
    settings: ScoringConfig,
    references: Annotated[
        list[Path], typer.Argument(help="References, one translation a line (- is stdin).")
    ] = REFERENCES,
    bare: Annotated[
        Metric | None, typer.Option(help="Print this number alone, with two decimals.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    model: Annotated[
        list[Path] | None,
        typer.Option(help="Also its perplexity of the first reference (repeat for an ensemble)."),
    ] = None,
    source: Annotated[
        Path, typer.Option(help="Source text of the reference, for the perplexity.")
    ] = SOURCE,
) -> None:
    """Score translations: cased BLEU on tokenised and on running text, chrF, perplexity.

    Reads the hypotheses on stdin: s2s score ref.fr < out.fr
    """
    settings.check(references)
    judge = Judge(model or [], source, references[0], settings.tokenised)
    metrics = chosen(bare, json, judge)
    texts = read_texts(settings, references)
    warn_of_tokenised_text(texts)
    scores = {metric: measure(metric, texts, settings.bootstrap, judge) for metric in metrics}
    if bare:
        print(f"{scores[bare].value:.2f}")
    elif json:
        print(as_json(scores, len(texts.given.hypotheses)))
    else:
        for each in scores.values():
            print(as_line(each))


def chosen(bare: Metric | None, json: bool, judge: Judge) -> list[Metric]:
    """The metrics to compute, in the order in which they are printed.

    Raises:
        UserError: options that do not go together.
    """
    if bare and json:
        raise UserError("--bare and --json exclude each other; give one", exit_code=2)
    if bare == "perplexity" and not judge.models:
        raise UserError("--bare perplexity needs a model: --model DIRECTORY", exit_code=2)
    if judge.models and STDIO in (judge.source, judge.reference):
        raise UserError(
            "with --model the source and the first reference must be files, not stdin", exit_code=2
        )
    if bare:
        return [bare]
    metrics: list[Metric] = ["bleu-tokenised", "bleu-detokenised", "chrf"]
    return [*metrics, "perplexity"] if judge.models else metrics


def measure(metric: Metric, texts: Texts, bootstrap: int, judge: Judge) -> Score:
    match metric:
        case "bleu-tokenised":
            return tokenised_bleu(texts.words, bootstrap)
        case "bleu-detokenised":
            return detokenised_bleu(texts.running, bootstrap)
        case "chrf":
            return chrf(texts.running, bootstrap)
        case "perplexity":
            return perplexity(judge)


def perplexity(judge: Judge) -> Score:
    """Perplexity per word of the first reference, its <EOS> counted as a word."""
    from s2s_cli.search.perplexity import reference_perplexity

    value, words = reference_perplexity(
        judge.models, judge.source, judge.reference, judge.tokenised
    )
    return Score("perplexity", value, f"words:{words}|eos:counted|models:{len(judge.models)}")


def warn_of_tokenised_text(texts: Texts) -> None:
    if texts.tokenised:
        return
    ending = sum(line.endswith(" .") for line in texts.given.hypotheses)
    if ending >= SUSPICIOUS:
        warn(f"{ending} hypotheses end in ` .`; if the texts are tokenised, add --tokenised")


def as_line(score: Score) -> str:
    interval = "" if score.low is None else f" [{score.low:.2f}, {score.high:.2f}]"
    return f"{score.name} = {score.value:.2f}{interval} {score.signature}"


def as_json(scores: dict[Metric, Score], lines: int) -> str:
    """One object: the number of lines, and under ``scores`` one object for each metric."""
    import dataclasses
    import json
    import math

    values = {metric: dataclasses.asdict(score) for metric, score in scores.items()}
    for entry in values.values():
        if not math.isfinite(entry["value"]):  # JSON has no word for infinity
            entry["value"] = None
    return json.dumps({"lines": lines, "scores": values}, allow_nan=False)
