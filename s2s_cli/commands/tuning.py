"""The part of ``s2s rescore`` that tunes weights against a reference."""

from pathlib import Path
from typing import TYPE_CHECKING

from s2s_cli.commands.scored import with_progress
from s2s_cli.console import progress, say
from s2s_cli.errors import UserError
from s2s_cli.files import name_of, read_lines
from s2s_cli.rescoring.config import MertConfig
from s2s_cli.scoring.metrics import Score, corpus_score
from s2s_cli.scoring.statistics import References
from s2s_cli.scoring.texts import AS_GIVEN, Form
from s2s_cli.text.features import TOTAL

if TYPE_CHECKING:
    from s2s_cli.commands.scored import ScoredList
    from s2s_cli.rescoring.mert_development import DevelopmentList
    from s2s_cli.rescoring.weights import Weights
    from s2s_cli.rescoring.winners import RowReader


def tuned_winners(
    scored: "ScoredList",
    reader: "RowReader",
    references: list[Path],
    path: Path,
    config: MertConfig,
) -> list[list[str] | None]:
    """Tune, write the weights to ``path``, print BLEU; return the words of the winners."""
    from s2s_cli.rescoring.mert_development import DevelopmentList

    lines = reference_words(scored, references)
    counted = [References(each) for each in zip(*lines, strict=True)]
    development = DevelopmentList(
        len(counted), lambda index, text: counted[index].statistics(text), reader
    )
    with progress("reading", len(scored.sources), "segments") as advance:
        development.fill(with_progress(scored.segments, advance))
    if not development.entries:
        raise UserError(f"{name_of(scored.path)}: no hypotheses to tune on")
    weights = development.tuned(config)
    winners = development.winners(weights.row(development.layout, path))
    scores = {
        name: corpus_score("bleu-tokenised", Form(texts, lines, AS_GIVEN))
        for name, texts in (
            ("list", development.listed),
            ("even-average", development.averaged),
            ("tuned", winners),
        )
    }
    report_bleu(scores, has_totals=TOTAL in development.layout)
    with_facts(weights, development, scores, references, config).write(path)
    missing = {index for index, rows in enumerate(development.rows) if rows is None}
    return [None if index in missing else text.split(" ") for index, text in enumerate(winners)]


def reference_words(scored: "ScoredList", paths: list[Path]) -> list[list[str]]:
    """Read the lines of references as words between spaces, made as those of the list.

    Raises:
        UserError: not as many lines as the source has.
    """
    texts = [list(read_lines(path)) for path in paths]
    for path, lines in zip(paths, texts, strict=True):
        if len(lines) != len(scored.sources):
            raise UserError(
                f"{name_of(path)} has {len(lines)} lines but the source has "
                f"{len(scored.sources)}; each line needs its reference on the same line"
            )
    if scored.text.tokenised:
        return texts
    rules = scored.text.rules([line for lines in texts for line in lines])
    return [[" ".join(rules.words(line)) for line in lines] for lines in texts]


def report_bleu(scores: dict[str, Score], *, has_totals: bool) -> None:
    """Print BLEU of the list, of even averages and of the tuned weights."""
    own = "list's own best" if has_totals else "first of each list, which has no totals"
    even = "even average of total and model" if has_totals else "model alone"
    say(f"BLEU (tokenised) on the development list, {scores['tuned'].signature}:")
    say(f"  {scores['list'].value:.2f} {own}")
    say(f"  {scores['even-average'].value:.2f} {even}")
    say(f"  {scores['tuned'].value:.2f} tuned weights")


def with_facts(
    weights: "Weights",
    development: "DevelopmentList",
    scores: dict[str, Score],
    references: list[Path],
    config: MertConfig,
) -> "Weights":
    """Add to ``weights`` what they were tuned on and their BLEU there."""
    from s2s_cli.rescoring.weights import Weights

    tuned = {
        "list": str(development.reader.path),
        "references": [str(each) for each in references],
        "segments": len(development.rows),
        "hypotheses": development.entries,
        "restarts": config.restarts,
        "seed": config.seed,
    }
    figures = {name: round(score.value, 2) for name, score in scores.items()}
    bleu = {**figures, "signature": scores["tuned"].signature}
    return Weights(weights.values, {"tuned": tuned, "bleu": bleu})
