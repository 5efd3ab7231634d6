"""The command ``s2s decode``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from s2s_cli.commands.command import AlsoOption, command
from s2s_cli.commands.next_step import NextStep, is_there, scoring_step
from s2s_cli.commands.options import (
    Device,
    Gpus,
    Measure,
    ModelPaths,
    PrecisionName,
    Threads,
    Tokenised,
)
from s2s_cli.console import counted, say, warn
from s2s_cli.decoding.config import AlignmentConfig, BeamConfig
from s2s_cli.errors import UsageError
from s2s_cli.files import STDIO, existing, is_typed
from s2s_cli.inference.config import MbrConfig
from s2s_cli.settings import HARDWARE, WRITES

if TYPE_CHECKING:
    from s2s_cli.decoding.translate import Counts


@command
def decode_command(
    config: BeamConfig,
    model: ModelPaths = [Path("model")],  # noqa: B006 - typer copies it
    input: Annotated[
        Path,
        typer.Argument(help="Text to translate, one sentence on each line."),
        AlsoOption(),
    ] = STDIO,
    output: Annotated[Path, typer.Option(help="File for the translations."), WRITES] = STDIO,
    tokenised: Tokenised = False,
    batch_size: Annotated[
        int,
        typer.Option(
            min=0,
            max=1_000_000,
            help="Sentences decoded together. 0: 1024 divided by the beam size.",
            rich_help_panel=HARDWARE,
        ),
    ] = 0,
    precision: PrecisionName = "fp32",
    device: Device = "auto",
    gpus: Gpus = 1,
    threads: Threads = 0,
    measure: Measure = False,
    *,
    risk: MbrConfig,
    alignment: AlignmentConfig,
) -> NextStep | None:
    """Translate text with beam search, one line for each line.

    Reads and writes running text: the model directory says how to tokenise it and whether to
    reverse the source. What you type is translated line by line, a file or a pipe in batches.

    Examples:
        s2s decode in.en -o out.fr
        s2s decode in.en -m model -m model-2 --beam 5 > out.fr
        s2s decode in.en -b 20 --nbest 20 -o nbest.txt
        echo 'Good morning.' | s2s decode
    """
    config.check()
    risk.check()
    alignment.check(config)
    if input == alignment.dictionary == STDIO:
        raise UsageError("INPUT and --dictionary: only one of them can be stdin")
    existing(input)  # before a model is loaded, which takes time
    from s2s_cli.decoding.stream import decode_stream, default_batch_size
    from s2s_cli.decoding.translate import ChunkTranslator
    from s2s_cli.inference.replicas import Replicas
    from s2s_cli.model.device import choose_devices

    devices = choose_devices(device, gpus)
    replicas = Replicas(tuple(model), devices, precision, tokenised, threads)
    batch_size = batch_size or default_batch_size(config)
    aligner = None
    if alignment.needed:  # plain decoding loads nothing of attention
        from s2s_cli.decoding.alignment import make_aligner

        aligner = make_aligner(alignment, model)
    translator = ChunkTranslator(config, batch_size, aligner, measure, risk)
    counts, seconds = decode_stream(replicas, translator, input, output)
    report_counts(counts, seconds)
    if measure:
        say(replicas.share_of_peak(counts.flops, seconds))
    if is_typed(input) and output == STDIO:
        return test_text_step(model)
    return say_written(input, output, model[0], config, tokenised=tokenised)


def report_counts(counts: "Counts", seconds: float) -> None:
    """Print the statistics of a stream on stderr."""
    from s2s_cli.inference.codec import LONGEST_SOURCE, LONGEST_TEXT, unknown_words

    if problem := unknown_words(counts.unknown, counts.source_words):
        warn(problem)
    if counts.empty:
        warn(f"{counted(counts.empty, 'empty translation')} of lines that are not blank")
    if counts.at_limit:
        ended = counted(counts.at_limit, "translation")
        warn(f"{ended} ended by the length limit (--max-length)")
    if counts.cut:
        warn(
            f"{counted(counts.cut, 'line')} cut to the first {LONGEST_SOURCE} words or "
            f"{LONGEST_TEXT:,} characters"
        )
    speed = (counts.source_words + counts.target_words) / max(seconds, 1e-9)
    say(
        f"{counted(counts.lines, 'line')} ({counts.blank} blank) in {seconds:.1f} s, "
        f"{counts.lines / max(seconds, 1e-9):.1f} lines/s, {speed:,.0f} words/s"
    )


def test_text_step(models: list[Path]) -> NextStep | None:
    """Suggest to translate the test text, after sentences that were typed; None without one."""
    from s2s_cli.model.description import Description, model_directory

    facts = Description.read(model_directory(models[0])).facts
    text = Path(f"corpus/test.{facts.source_language}")
    output = Path(f"out.{facts.target_language}")
    values = {"model": models, "output": output, "input": text}
    return NextStep("decode", values) if is_there(text) else None


def say_written(
    input: Path, output: Path, model: Path, config: BeamConfig, *, tokenised: bool
) -> NextStep | None:
    """Name the file that was written; return what to do with it."""
    if output == STDIO:
        return None
    say(f"wrote {output}")
    if not config.nbest:
        return scoring_step(input, output, model, tokenised=tokenised)
    return None if input == STDIO else NextStep("rescore", {"nbest": [output], "source": input})
