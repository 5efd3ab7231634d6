"""``s2s decode``."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from s2s_cli.commands.app import command
from s2s_cli.errors import UserError
from s2s_cli.files import STDIO, read_lines, replacing
from s2s_cli.search.config import BeamConfig

Models = Annotated[
    list[Path],
    typer.Option(help="Model directory, or a file of weights in one; several are an ensemble."),
]
Tokenised = Annotated[
    bool, typer.Option(help="The text is tokenised already: split it at its spaces, join so.")
]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1; auto: a GPU if there is one.")]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0: all cores.")]

Precision = Annotated[
    Literal["fp32", "bf16"],
    typer.Option(help="bf16: products in bfloat16, faster where the processor has it."),
]
Measure = Annotated[
    bool, typer.Option(help="Say at the end which share of the machine's arithmetic was used.")
]


@command("decode")
def decode(
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
    threads: Threads = 0,
    measure: Measure = False,
) -> None:
    """Translate text line by line with beam search.

    Raw text in, raw text out; the model knows how its text was tokenised and whether the source
    was reversed. Line by line when you type, in batches through a pipe.
    """
    if config.nbest > config.beam:
        raise UserError(
            f"--nbest {config.nbest} needs a beam at least as large; add --beam {config.nbest}",
            exit_code=2,
        )
    from s2s_cli.console import progress, say, warn
    from s2s_cli.model.device import choose_device, set_threads
    from s2s_cli.model.work import share_of_peak
    from s2s_cli.search.arrivals import chunks
    from s2s_cli.search.ensemble import load_scorer
    from s2s_cli.search.sentences import LONGEST_SOURCE, Sentences
    from s2s_cli.search.stream import Decoder

    set_threads(threads)
    scorer, description = load_scorer(model, choose_device(device), precision)
    sentences = Sentences(description, tokenised=tokenised)
    decoder = Decoder(scorer, sentences, config, batch_size)
    interactive = input == STDIO and sys.stdin.isatty()
    with (
        replacing(output) as stream,
        progress("decoding", None, "lines", shown=not (interactive or stream.isatty())) as advance,
    ):
        for chunk in chunks(read_lines(input), decoder.lookahead, interactive=interactive):
            for line in decoder.decode(chunk):
                stream.write(line.encode() + b"\n")
            stream.flush()
            advance(len(chunk))
    counts = decoder.counts
    if counts.at_limit:
        warn(f"{counts.at_limit} translations were ended by the length limit (--max-length)")
    if sentences.cut:
        warn(f"{sentences.cut} lines were cut to their first {LONGEST_SOURCE} words")
    speed = (counts.source_words + counts.target_words) / max(counts.seconds, 1e-9)
    say(
        f"{counts.lines} lines ({counts.blank} blank) in {counts.seconds:.1f} s, "
        f"{counts.lines / max(counts.seconds, 1e-9):.1f} lines/s, {speed:,.0f} words/s"
    )
    if measure:
        say(share_of_peak(scorer.flops, counts.seconds, scorer.device, precision))
