"""The command ``s2s rescore``."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from s2s_cli.commands.command import command
from s2s_cli.commands.options import (
    Device,
    Gpus,
    Measure,
    ModelPaths,
    PrecisionName,
    Threads,
    Tokenised,
)
from s2s_cli.commands.scored import ScoredList, scored_list, with_progress
from s2s_cli.console import progress, say
from s2s_cli.errors import UsageError, UserError
from s2s_cli.files import STDIO, name_of, replacing
from s2s_cli.inference.config import MbrConfig
from s2s_cli.rescoring.config import TunerConfig
from s2s_cli.settings import MANY, WRITES, Writes
from s2s_cli.text.features import TOTAL, UNLABELLED, has_feature
from s2s_cli.text.nbest import MOSES_ENDING, Entry, label_ending

if TYPE_CHECKING:
    from s2s_cli.inference.replicas import Replicas
    from s2s_cli.rescoring.rescorer import ListCounts
    from s2s_cli.rescoring.winners import Choice

EVEN = 0.5  # §3.2


@command
def rescore_command(
    tuning: TunerConfig,
    risk: MbrConfig,
    nbest: Annotated[
        list[Path],
        typer.Argument(help="Moses n-best lists, .gz or not; -: stdin. Several: their union."),
    ] = [Path("nbest.txt")],  # noqa: B006 - typer copies it
    source: Annotated[
        Path, typer.Option(help="The text that was translated, one segment a line.")
    ] = Path("corpus/test.en"),
    model: ModelPaths = [Path("model")],  # noqa: B006 - typer copies it
    output: Annotated[Path, typer.Option(help="Winners, or the list."), WRITES] = STDIO,
    add_feature: Annotated[
        bool, typer.Option(help="Write the list with the model's score as one more feature.")
    ] = False,
    feature_name: Annotated[
        str, typer.Option(help="Name of that feature; a list that has it is not scored again.")
    ] = "s2s",
    weight: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the model in the average with the total.")
    ] = EVEN,
    weights: Annotated[
        Path | None,
        typer.Option(help="Rank by weights of all features, in this file."),
        Writes(when="tune"),
    ] = None,
    tune: Annotated[
        list[Path] | None,
        typer.Option(help="Write --weights with the highest BLEU against this reference (repeat)."),
    ] = None,
    tokenised: Tokenised = False,
    detokenise: Annotated[bool, typer.Option(help="Write winners as running text.")] = False,
    language: Annotated[str, typer.Option(help="Language of a list that has scores.")] = "",
    first_id: Annotated[
        int, typer.Option(min=0, max=MANY, help="Id in the list of the first line of the source.")
    ] = 0,
    list_name: Annotated[
        list[str] | None, typer.Option(help="Label of each of several lists (repeat).")
    ] = None,
    precision: PrecisionName = "fp32",
    device: Device = "auto",
    gpus: Gpus = 1,
    threads: Threads = 0,
    measure: Measure = False,
) -> None:
    """Rescore an n-best list by forced decoding; print the winner of each segment.

    The list's total and the model's log probability are averaged evenly, as in the paper (§3.2).
    Hypotheses are words as the model's own tokeniser makes them; the source, and the reference of
    --tune, are raw text unless --tokenised. One line for each line of the source, blank where the
    list has nothing.
    """
    check_names([*nbest, source, *(tune or [])], feature_name)
    check_weights(add_feature, weights, bool(tune))
    check_lists(nbest, list_name or [], weight)
    check_risk(risk, "--add-feature" if add_feature else "--tune" if tune else "")
    from s2s_cli.inference.replicas import Replicas
    from s2s_cli.model.device import choose_devices, set_threads
    from s2s_cli.rescoring.union import label_lists, path_of_lists
    from s2s_cli.rescoring.weights import Weights
    from s2s_cli.rescoring.winners import Average, RowReader, Weighted

    lists, name = label_lists(nbest, list_name or [], feature_name), path_of_lists(nbest)
    devices = choose_devices(device, gpus)
    replicas = Replicas(tuple(model), devices, precision, tokenised, threads)
    reader = RowReader(name, feature_name)
    choice: Choice = Average(weight, name, union=len(nbest) > 1)
    if weights and not tune:
        choice = Weighted(Weights.read(weights), weights, reader)
    with scored_list(lists, source, feature_name, first_id, replicas, language) as scored:
        begin = time.monotonic()
        with replacing(output) as stream:
            if add_feature:
                write_list(scored, stream)
            elif tune and weights:
                from s2s_cli.commands.tuning import tuned_winners

                set_threads(threads)
                lines = tuned_winners(scored, reader, tune, weights, tuning)
                write_lines(scored, lines, detokenise, stream)
            else:
                write_lines(scored, choose_winners(scored, choice, risk), detokenise, stream)
        seconds = time.monotonic() - begin
    if measure and not scored.kept:
        report_speed(scored.counts, seconds, replicas)


def report_speed(counts: "ListCounts", seconds: float, replicas: "Replicas") -> None:
    """Print how fast the models scored, and which share of the arithmetic they used."""
    say(
        f"{counts.hypotheses} hypotheses in {seconds:.1f} s, "
        f"{counts.hypotheses / max(seconds, 1e-9):,.0f} hypotheses/s, "
        + replicas.share_of_peak(counts.flops, seconds)
    )


def check_names(texts: list[Path], feature_name: str) -> None:
    """Refuse names that cannot be meant.

    Raises:
        UsageError: stdin named twice; a name that no feature may have.
    """
    if texts.count(STDIO) > 1:
        raise UsageError("of the list, source and references only one can be stdin")
    check_feature_name(feature_name)


def check_feature_name(name: str) -> None:
    """Refuse what would not read back as the name of a feature, or is that of something else.

    Raises:
        UsageError: always then.
    """
    if not name.isprintable() or not name or set(name) & set(" |=:"):
        raise UsageError(
            f"--feature-name {name!r}: not a name for a feature; it needs letters, digits or marks "
            "that can be seen, other than | = and :"
        )
    if name in (TOTAL, UNLABELLED):
        raise UsageError(f"--feature-name {name}: means something else here; take another name")


def check_weights(add_feature: bool, weights: Path | None, tune: bool) -> None:
    """Refuse uses of weights that exclude each other.

    Raises:
        UsageError: names the option to add or to leave out.
    """
    if tune and not weights:
        raise UsageError("--tune writes weights; say where: --weights FILE")
    if add_feature and weights:
        raise UsageError("--add-feature writes the list and --weights its winners; give one")


def check_lists(nbest: list[Path], names: list[str], weight: float) -> None:
    """Refuse options that are for one list, or for several.

    Raises:
        UsageError: names the option to leave out.
    """
    if names and len(nbest) == 1:
        raise UsageError("--list-name is for several lists; leave it out")
    if len(nbest) > 1 and weight != EVEN:
        raise UsageError(
            "--weight is a share beside the total of one list; totals of several lists do not "
            "compare, so rank them with --weights"
        )


def check_risk(risk: MbrConfig, use: str) -> None:
    """Refuse minimum Bayes risk where it chooses nothing.

    Raises:
        UsageError: names the option to leave out.
    """
    risk.check()
    if risk.mbr and use:
        raise UsageError(f"--mbr does not go with {use}; give one, and the other in a second run")


def write_list(scored: ScoredList, stream: BinaryIO) -> None:
    """Write the list with one more feature, every other byte as it was.

    Its label is written as the first one of the list.
    """
    from s2s_cli.rescoring.winners import warn_of_list

    shown, ending = not stream.isatty(), ""
    with progress("rescoring", len(scored.sources), "segments", shown=shown) as advance:
        for _, entries, scores in with_progress(scored.segments, advance):
            ending = ending or label_ending(entries)
            for entry, score in zip(entries, scores, strict=True):
                line = entry.line if scored.kept else added(scored, entry, score, ending)
                stream.write(f"{entry.before}{line}{entry.end}".encode())
    warn_of_list(scored.path, scored.counts, [])


def added(scored: ScoredList, entry: Entry, score: float, ending: str) -> str:
    """Add the score to the line of ``entry``.

    Raises:
        UserError: it has such a feature, and the first entry of the list has not.
    """
    if scored.name in entry.line and has_feature(entry, scored.name):
        raise UserError(
            f"{name_of(scored.path)}:{entry.number}: has the feature {scored.name} already, which "
            "the first entry has not; give the new one another name with --feature-name"
        )
    return entry.with_feature(scored.name, [score], ending or MOSES_ENDING)


def choose_winners(scored: ScoredList, choice: "Choice", risk: MbrConfig) -> list[list[str] | None]:
    """Find the words of each winner, None where the list has nothing."""
    from s2s_cli.rescoring.winners import lowest_risks, winners

    size = len(scored.sources)
    with progress("rescoring", size, "segments") as advance:
        segments = with_progress(scored.segments, advance)
        if risk.mbr:
            return lowest_risks(segments, size, choice, risk.mbr_scale)
        best = winners(segments, size, choice)
    return [None if entry is None else entry.words for entry in best]


def write_lines(
    scored: ScoredList, best: list[list[str] | None], detokenise: bool, stream: BinaryIO
) -> None:
    """Write one line for each source: the winner's words, or its text."""
    from s2s_cli.rescoring.winners import warn_of_list

    for line in scored.lines([words or [] for words in best], detokenise):
        stream.write(line.encode() + b"\n")
    missing = [index + scored.first_id for index, words in enumerate(best) if words is None]
    warn_of_list(scored.path, scored.counts, missing)
