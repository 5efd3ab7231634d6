"""The command ``s2s show beam``: the course of a beam search."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from s2s_cli.commands.command import command
from s2s_cli.commands.options import ModelPaths, TokenisedText
from s2s_cli.commands.show import report_written
from s2s_cli.commands.show_models import MODELS, LineNumber, line_of
from s2s_cli.decoding.config import MOST_BEAM, BeamConfig
from s2s_cli.errors import UserError
from s2s_cli.files import STDIO, name_of, replacing
from s2s_cli.scoring.beam_plot import check_tree_size, plot_beam
from s2s_cli.scoring.beam_tree import BeamNode, Fate, tree_table, tree_text
from s2s_cli.scoring.pictures import DATA, check_output, write_figure
from s2s_cli.settings import WRITES

if TYPE_CHECKING:
    from s2s_cli.decoding.beam import Hypothesis
    from s2s_cli.decoding.trace import SearchTrace, TracedHypothesis
    from s2s_cli.inference.codec import TextCodec

TEXT = ".txt"


@command
def beam_command(
    source: Annotated[Path, typer.Argument(help="Text to translate.")],
    *,
    model: ModelPaths = MODELS,
    output: Annotated[
        Path,
        typer.Option(
            help="Picture NAME.svg, .png or .pdf, and its data NAME.tsv; or only NAME.tsv; or only "
            "text, NAME.txt or -."
        ),
        WRITES,
    ] = Path("beam.svg"),
    line: LineNumber = 1,
    beam: Annotated[
        int, typer.Option(min=1, max=MOST_BEAM, help="Beam size: hypotheses kept at each step.")
    ] = 4,
    nbest: Annotated[
        int, typer.Option(min=1, max=MOST_BEAM, help="Number of translations to search for.")
    ] = 1,
    normalise: Annotated[
        float,
        typer.Option(min=0, max=10, help="Divide log probabilities by the length to this power."),
    ] = 0.0,
    tokenised: TokenisedText = False,
) -> None:
    """Draw the beam search of one sentence: the hypotheses of each step, which survive, which end.

    The search is that of `s2s decode` with the same options. Columns are its steps, rows the ranks
    in the beam; a line leads from a hypothesis to each of its extensions. Numbers are log
    probabilities. As text, it is the tree of hypotheses, followed by the translations.

    Examples:
        s2s show beam in.en
        s2s show beam in.en --line 3 --beam 2 -o -
    """
    as_text = output == STDIO or output.suffix.lower() == TEXT
    if not as_text:
        check_output(output)
    config = BeamConfig(beam, nbest, normalise)
    config.check()
    text = line_of(source, line)
    from s2s_cli.decoding.beam import search
    from s2s_cli.decoding.trace import SearchTrace
    from s2s_cli.inference.replicas import LoadedModel
    from s2s_cli.model.device import choose_device

    loaded = LoadedModel.of(model, choose_device("cpu"), "fp32", tokenised=tokenised)
    words = loaded.codec.source_words(text)
    if not words:
        raise UserError(f"{name_of(source)}:{line}: is blank; choose another --line")
    trace = SearchTrace()
    [found] = search(loaded.scorer, [loaded.codec.ids(words)], config, trace)
    nodes = in_words(loaded.codec, trace, found)
    if as_text:
        with replacing(output) as stream:
            for each in tree_text(nodes):
                stream.write(f"{each}\n".encode())
        return
    if output.suffix.lower() != DATA:
        check_tree_size(nodes)
    report_written(write_figure(output, tree_table(nodes), partial(plot_beam, words, nodes)))


def in_words(
    codec: "TextCodec", trace: "SearchTrace", found: "Sequence[Hypothesis]"
) -> list[BeamNode]:
    """The hypotheses of a search in words, and what became of each."""
    from s2s_cli.decoding.alignment import EOS_SURFACE

    extended = {each.parent for each in trace.hypotheses}
    ranks = trace.ranks([each.tokens for each in found])
    nodes = []
    for place, each in enumerate(trace.hypotheses):
        result = ranks.get(place)
        [word] = [EOS_SURFACE] if each.ended else codec.pieces([each.token])
        score = None if result is None else found[result - 1].score
        fate = fate_of(each, extended=place in extended)
        nodes.append(
            BeamNode(
                each.step, each.rank, each.parent, word, tuple(each.log_probs), fate, result, score
            )
        )
    return nodes


def fate_of(hypothesis: "TracedHypothesis", *, extended: bool) -> Fate:
    """The fate of a hypothesis; ``extended``: one of its extensions was in a beam."""
    if hypothesis.ended:
        return "ended"
    if not hypothesis.searched:
        return "unfinished"
    return "kept" if extended else "dropped"
