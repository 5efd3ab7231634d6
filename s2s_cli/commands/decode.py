"""``s2s decode``."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from s2s_cli.commands.command import command
from s2s_cli.console import progress, say, warn
from s2s_cli.decoding.config import AlignmentConfig, BeamConfig
from s2s_cli.errors import UsageError
from s2s_cli.files import STDIO, read_lines, replacing

if TYPE_CHECKING:
    from s2s_cli.decoding.stream import Counts
    from s2s_cli.decoding.wording import Wording

Models = Annotated[
    list[Path],
    typer.Option(help="Model directory, or a file of weights in one; several are an ensemble."),
]
Tokenised = Annotated[
    bool, typer.Option(help="The text is tokenised already: split it at its spaces, join so.")
]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1; auto: a GPU if there is one.")]
Gpus = Annotated[
    int, typer.Option(min=1, help="GPUs to share the work, each with a copy of the model.")
]
Threads = Annotated[
    int, typer.Option(min=0, help="CPU threads, with --gpus of each copy; 0: all cores, shared.")
]

Precision = Annotated[
    Literal["fp32", "bf16"],
    typer.Option(help="bf16: products in bfloat16, faster where the processor has it."),
]
Measure = Annotated[
    bool, typer.Option(help="Say at the end which share of the machine's arithmetic was used.")
]


@command
def decode_command(
    config: BeamConfig,
    model: Models = [Path("model")],  # noqa: B006 - typer copies it
    input: Annotated[Path, typer.Option(help="Text to translate; -: stdin.")] = STDIO,
    output: Annotated[Path, typer.Option(help="Translations; -: stdout.")] = STDIO,
    tokenised: Tokenised = False,
    batch_size: Annotated[
        int, typer.Option(min=0, help="Sentences decoded together; 0: 1024 divided by the beam.")
    ] = 0,
    precision: Precision = "fp32",
    device: Device = "auto",
    gpus: Gpus = 1,
    threads: Threads = 0,
    measure: Measure = False,
    *,
    alignment: AlignmentConfig,
) -> None:
    """Translate text line by line with beam search.

    Raw text in, raw text out; the model knows how its text was tokenised and whether the source
    was reversed. Line by line when you type, in batches through a pipe.
    """
    if config.nbest > config.beam:
        raise UsageError(
            f"--nbest {config.nbest} needs a beam at least as large; add --beam {config.nbest}"
        )
    alignment.check(config)
    if input == alignment.dictionary == STDIO:
        raise UsageError("--input and --dictionary: only one of them can be stdin")
    from s2s_cli.decoding.arrivals import chunks
    from s2s_cli.decoding.stream import (
        Busy,
        Counts,
        decode_piece,
        default_batch_size,
        lookahead,
        pieces,
    )
    from s2s_cli.inference.replicas import Replicas
    from s2s_cli.inference.sentences import LONGEST_LINE
    from s2s_cli.model.device import choose_devices

    devices = choose_devices(device, gpus)
    replicas = Replicas(tuple(model), devices, precision, tokenised, threads)
    wording = wording_of(alignment, model)
    batch_size = batch_size or default_batch_size(config)
    interactive = input == STDIO and sys.stdin.isatty()
    counts, busy = Counts(), Busy()
    with (
        replicas.workers() as workers,
        replacing(output) as stream,
        progress("decoding", None, "lines", shown=not (interactive or stream.isatty())) as advance,
    ):
        ahead = workers.count * lookahead(batch_size)
        arriving = chunks(read_lines(input, cut_at=LONGEST_LINE), ahead, interactive=interactive)
        translate = partial(decode_piece, replicas, config, batch_size, wording=wording)
        for piece in workers.in_order(translate, pieces(arriving, workers.count)):
            stream.write(piece.text)
            stream.flush()
            counts.add(piece.counts)
            busy.add(piece.begin, piece.end)
            advance(piece.counts.lines)
    tell(counts, busy.seconds)
    if measure:
        say(replicas.share_of_peak(counts.flops, busy.seconds))


def wording_of(config: AlignmentConfig, models: list[Path]) -> "Wording":
    """What attention is to do, once it is known that there is a model that has it."""
    from s2s_cli.decoding.alignment import require_attention
    from s2s_cli.decoding.wording import Wording
    from s2s_cli.text.dictionary import read_dictionary

    if config.replace_unk or config.alignments:
        require_attention(models, "--replace-unk" if config.replace_unk else "--alignments")
    entries = read_dictionary(config.dictionary) if config.dictionary else {}
    return Wording(config.replace_unk, entries, config.alignments)


def tell(counts: "Counts", seconds: float) -> None:
    """What happened to the stream, on stderr."""
    from s2s_cli.inference.sentences import LONGEST_SOURCE, LONGEST_TEXT

    if counts.at_limit:
        warn(f"{counts.at_limit} translations were ended by the length limit (--max-length)")
    if counts.cut:
        warn(
            f"{counts.cut} lines were cut to their first {LONGEST_SOURCE} words or "
            f"{LONGEST_TEXT:,} characters"
        )
    speed = (counts.source_words + counts.target_words) / max(seconds, 1e-9)
    say(
        f"{counts.lines} lines ({counts.blank} blank) in {seconds:.1f} s, "
        f"{counts.lines / max(seconds, 1e-9):.1f} lines/s, {speed:,.0f} words/s"
    )
