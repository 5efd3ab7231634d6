"""The command ``s2s rescore``."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from s2s_cli.commands.command import command
from s2s_cli.commands.next_step import NextStep, scoring_step
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
from s2s_cli.console import counted, progress, say
from s2s_cli.errors import UserError
from s2s_cli.files import STDIO, is_typed, name_of, replacing
from s2s_cli.inference.config import MbrConfig
from s2s_cli.rescoring.config import RescoringConfig, TunerConfig
from s2s_cli.settings import WRITES
from s2s_cli.text.features import has_feature
from s2s_cli.text.nbest import MOSES_ENDING, Entry, label_ending

if TYPE_CHECKING:
    from s2s_cli.rescoring.winners import Choice


@command
def rescore_command(
    config: RescoringConfig,
    tuning: TunerConfig,
    risk: MbrConfig,
    nbest: Annotated[
        list[Path],
        typer.Argument(
            help="N-best lists in the format of Moses. Several are read as their union."
        ),
    ] = [Path("nbest.txt")],  # noqa: B006 - typer copies it
    model: ModelPaths = [Path("model")],  # noqa: B006 - typer copies it
    output: Annotated[
        Path, typer.Option(help="File for the winners, or for the list."), WRITES
    ] = STDIO,
    tokenised: Tokenised = False,
    precision: PrecisionName = "fp32",
    device: Device = "auto",
    gpus: Gpus = 1,
    threads: Threads = 0,
    measure: Measure = False,
) -> NextStep | None:
    """Rescore an n-best list with a model, and print the best hypothesis of each segment.

    Averages the list's total and the model's log probability evenly, as in the paper (3.2). The
    hypotheses must be tokenised as `s2s prep` does it. The source, and the reference of --tune, are
    running text unless --tokenised is given. There is one line for each line of the source; it is
    blank if the list has no hypothesis.

    Examples:
        s2s rescore nbest.txt --source in.en --detokenise -o best.fr
        s2s rescore nbest.txt --source in.en --add-feature -o nbest.s2s.txt
        s2s rescore nbest.s2s.txt --source in.en --tune ref.fr --weights weights.toml
    """
    config.check(nbest, risk)
    from s2s_cli.inference.replicas import Replicas
    from s2s_cli.model.device import choose_devices, set_threads
    from s2s_cli.rescoring.union import label_lists, path_of_lists
    from s2s_cli.rescoring.weights import Weights
    from s2s_cli.rescoring.winners import Average, RowReader, Weighted

    lists, name = (
        label_lists(nbest, config.list_name or [], config.feature_name),
        path_of_lists(nbest),
    )
    devices = choose_devices(device, gpus)
    replicas = Replicas(tuple(model), devices, precision, tokenised, threads)
    reader = RowReader(name, config.feature_name)
    choice: Choice = Average(config.weight, name, union=len(nbest) > 1)
    if config.weights and not config.tune:
        choice = Weighted(Weights.read(config.weights), config.weights, reader)
    with scored_list(lists, config, replicas) as scored:
        begin = time.monotonic()
        with replacing(output) as stream:
            if config.add_feature:
                write_list(scored, stream)
            elif config.tune and config.weights:
                from s2s_cli.commands.tuning import tuned_winners

                set_threads(threads)
                lines = tuned_winners(scored, reader, config.tune, config.weights, tuning)
                write_lines(scored, lines, config.detokenise, stream)
            else:
                lines = choose_winners(scored, choice, risk)
                write_lines(scored, lines, config.detokenise, stream)
        seconds = time.monotonic() - begin
    report_speed(scored, seconds)
    if measure and not scored.kept:
        say(replicas.share_of_peak(scored.counts.flops, seconds))
    files = [] if output == STDIO else [output]
    files += [config.weights] if config.tune and config.weights else []
    if files:
        say(f"wrote {' and '.join(map(str, files))}")
    if output == STDIO or scored.kept or not config.detokenise:
        return None
    return scoring_step(config.source, output, model[0], tokenised=tokenised)


def report_speed(scored: ScoredList, seconds: float) -> None:
    """Print how much was scored, and how fast."""
    size = scored.size
    say(
        f"{counted(size.segments, 'segment')}, "
        f"{counted(size.hypotheses, 'hypothesis', 'hypotheses')} in {seconds:.1f} s, "
        f"{size.hypotheses / max(seconds, 1e-9):,.0f} hypotheses/s"
    )


def write_list(scored: ScoredList, stream: BinaryIO) -> None:
    """Write the list with one more feature, every other byte as it was.

    Its label is written as the first one of the list.
    """
    from s2s_cli.rescoring.winners import warn_of_list

    shown, ending = not (stream.isatty() or is_typed(scored.path)), ""
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
    with progress("rescoring", size, "segments", shown=not is_typed(scored.path)) as advance:
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
