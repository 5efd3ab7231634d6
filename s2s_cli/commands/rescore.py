"""``s2s rescore``."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from s2s_cli.commands.app import command
from s2s_cli.commands.decode import Device, Gpus, Measure, Models, Precision, Threads, Tokenised
from s2s_cli.console import progress, say
from s2s_cli.errors import UserError
from s2s_cli.files import STDIO, read_lines, replacing

if TYPE_CHECKING:
    from s2s_cli.search.nbest import Rescorer


@command("rescore")
def rescore(
    nbest: Annotated[Path, typer.Argument(help="Moses n-best list, .gz or not; -: stdin.")] = Path(
        "nbest.txt"
    ),
    source: Annotated[
        Path, typer.Option(help="The text that was translated, one segment a line.")
    ] = Path("corpus/test.en"),
    model: Models = [Path("model")],  # noqa: B006 - typer copies it
    output: Annotated[Path, typer.Option(help="Winners, or the list; -: stdout.")] = STDIO,
    add_feature: Annotated[
        bool, typer.Option(help="Write the list with the model's score as one more feature.")
    ] = False,
    feature_name: Annotated[str, typer.Option(help="Name of that feature.")] = "s2s",
    weight: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the model in the average with the total.")
    ] = 0.5,
    tokenised: Tokenised = False,
    detokenise: Annotated[
        bool, typer.Option(help="Write winners as running text, not as words of the list.")
    ] = False,
    first_id: Annotated[
        int, typer.Option(min=0, help="Id in the list of the first line of the source.")
    ] = 0,
    precision: Precision = "fp32",
    device: Device = "auto",
    gpus: Gpus = 1,
    threads: Threads = 0,
    measure: Measure = False,
) -> None:
    """Rescore an n-best list by forced decoding; print the winner of each segment.

    The list's total and the model's log probability are averaged evenly, as in the paper (§3.2).
    Hypotheses are words as the model's own tokeniser makes them; the source is raw text unless
    --tokenised. One line for each line of the source, blank where the list has nothing.
    """
    if nbest == STDIO and source == STDIO:
        raise UserError("the list and its source cannot both come from stdin", exit_code=2)
    if not feature_name or set(feature_name) & set(" |=:\t\n"):
        raise UserError(f"--feature-name {feature_name!r}: not a name for a feature", exit_code=2)
    from s2s_cli.model.device import choose_devices
    from s2s_cli.search.nbest import Rescorer
    from s2s_cli.search.replicas import Replicas

    devices = choose_devices(device, gpus)
    replicas = Replicas(tuple(model), devices, precision, tokenised, threads)
    sources = list(read_lines(source))
    with replicas.workers() as workers:
        begin = time.monotonic()
        rescorer = Rescorer(replicas, workers, sources, first_id)
        with replacing(output) as stream:
            if add_feature:
                write_list(rescorer, nbest, feature_name, stream)
            else:
                write_winners(rescorer, nbest, weight, detokenise, stream)
        seconds = time.monotonic() - begin
    if measure:
        say(
            f"{rescorer.seen.hypotheses} hypotheses in {seconds:.1f} s, "
            f"{rescorer.seen.hypotheses / max(seconds, 1e-9):,.0f} hypotheses/s, "
            + replicas.share_of_peak(rescorer.seen.flops, seconds)
        )


def write_list(rescorer: "Rescorer", path: Path, name: str, stream: BinaryIO) -> None:
    """The list with one more feature, every other field as it was."""
    from s2s_cli.search.nbest import warn_about

    shown = not stream.isatty()
    with progress("rescoring", len(rescorer.sources), "segments", shown=shown) as advance:
        for _, entries, scores in rescorer.segments(path):
            for entry, score in zip(entries, scores, strict=True):
                stream.write(entry.with_feature(name, [score]).encode() + b"\n")
            advance(1)
    warn_about(path, rescorer.seen, [])


def write_winners(
    rescorer: "Rescorer", path: Path, weight: float, detokenise: bool, stream: BinaryIO
) -> None:
    """One line a source: the winner's words, or its text."""
    from s2s_cli.search.nbest import warn_about, winners

    sources = rescorer.sources
    with progress("rescoring", len(sources), "segments") as advance:
        segments = ((advance(1), each)[1] for each in rescorer.segments(path))
        best = winners(segments, len(sources), weight, path)
    joined = rescorer.replicas.sentences().running_text if detokenise else " ".join
    for entry in best:
        line = "" if entry is None else joined(entry.words)
        stream.write(line.encode() + b"\n")
    missing = [index + rescorer.first_id for index, entry in enumerate(best) if entry is None]
    warn_about(path, rescorer.seen, missing)
