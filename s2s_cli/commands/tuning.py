"""The part of ``s2s rescore`` that tunes weights against a reference."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s2s_cli.commands.scored import with_progress
from s2s_cli.console import counted, progress, say
from s2s_cli.errors import UserError
from s2s_cli.files import as_text, name_of, read_lines, replacing
from s2s_cli.rescoring.config import TunerConfig
from s2s_cli.scoring.metrics import Score, corpus_score
from s2s_cli.scoring.statistics import References
from s2s_cli.scoring.texts import AS_GIVEN, Form
from s2s_cli.text.features import TOTAL, describe_names

if TYPE_CHECKING:
    from s2s_cli.commands.scored import ScoredList
    from s2s_cli.rescoring.development_list import DevelopmentList, Tuned
    from s2s_cli.rescoring.winners import RowReader

MOST_SILENT = 100  # features that are named in one line


def tuned_winners(
    scored: "ScoredList",
    reader: "RowReader",
    references: list[Path],
    path: Path,
    config: TunerConfig,
) -> list[list[str] | None]:
    """Tune, write the weights to ``path``, print BLEU; return the words of the winners."""
    with replacing(path) as stream:  # which fails now if it cannot be written
        lines = reference_words(scored, references)
        development = read_development_list(scored, reader, lines)
        tuned = development.tuned(config)
        say_zeros(tuned, scored.path)
        winners = development.winners(tuned.weights.row(development.layout, path))
        texts = {"list": development.listed, "even-average": development.averaged, "tuned": winners}
        scores = {
            name: corpus_score("bleu-tokenised", Form(each, lines, AS_GIVEN))
            for name, each in texts.items()
        }
        report_bleu(scores, has_totals=TOTAL in development.layout)
        facts = tuning_facts(development, scores, references, config)
        replace(tuned.weights, facts=facts).write(stream)
    missing = {index for index, rows in enumerate(development.rows) if rows is None}
    return [None if index in missing else text.split(" ") for index, text in enumerate(winners)]


def read_development_list(
    scored: "ScoredList", reader: "RowReader", lines: list[list[str]]
) -> "DevelopmentList":
    """Read the whole list and count its hypotheses against ``lines``, a text for each reference.

    Raises:
        UserError: as `DevelopmentList.fill`; a list without hypotheses.
    """
    from s2s_cli.rescoring.development_list import DevelopmentList

    counted = [References(each) for each in zip(*lines, strict=True)]
    development = DevelopmentList(
        len(counted), lambda index, text: counted[index].statistics(text), reader
    )
    with progress("reading", len(scored.sources), "segments") as advance:
        development.fill(with_progress(scored.segments, advance))
    if not development.entries:
        raise UserError(f"{name_of(scored.path)}: no hypotheses to tune on")
    reader.warn_of_sparse()
    return development


def say_zeros(tuned: "Tuned", path: Path) -> None:
    """Name the features with weight 0 because the list says nothing about them."""
    if tuned.silent:
        say(
            f"{name_of(path)}: weight 0 for what never differs within a segment: "
            f"{describe_names(tuned.silent, MOST_SILENT)}"
        )
    if not any(map(any, tuned.weights.values.values())):
        say(f"{name_of(path)}: all weights are 0, the first hypothesis of each segment wins")


def reference_words(scored: "ScoredList", paths: list[Path]) -> list[list[str]]:
    """Read the lines of references as words between spaces, made as those of the list.

    Raises:
        UserError: not as many lines as the source has.
    """
    texts = [list(read_lines(path)) for path in paths]
    for path, lines in zip(paths, texts, strict=True):
        if len(lines) != len(scored.sources):
            raise UserError(
                f"{name_of(path)} has {counted(len(lines), 'line')} but the source has "
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


def tuning_facts(
    development: "DevelopmentList",
    scores: dict[str, Score],
    references: list[Path],
    config: TunerConfig,
) -> dict[str, dict[str, Any]]:
    """Gather what weights were tuned on, how, and their BLEU there, as sections of their file."""
    tuned = {
        "list": as_text(development.reader.path),
        "references": [as_text(each) for each in references],
        "segments": len(development.rows),
        "hypotheses": development.entries,
        **asdict(config),
    }
    figures = {name: round(score.value, 2) for name, score in scores.items()}
    return {"tuned": tuned, "bleu": {**figures, "signature": scores["tuned"].signature}}
