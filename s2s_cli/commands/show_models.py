"""The commands ``s2s show``: the figures that are made from models."""

from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from s2s_cli.commands.command import command
from s2s_cli.commands.options import ModelPath, TokenisedPhrases, TokenisedText
from s2s_cli.commands.show import Output, report_written
from s2s_cli.console import warn
from s2s_cli.decoding.config import MOST_BEAM
from s2s_cli.errors import UsageError, UserError
from s2s_cli.files import name_of, read_lines
from s2s_cli.scoring.curves import curves_table, read_curve
from s2s_cli.scoring.model_plots import MOST_LABELS, plot_attention, plot_states
from s2s_cli.scoring.pictures import check_output, write_figure
from s2s_cli.scoring.plots import plot_curves
from s2s_cli.scoring.systems import system_names
from s2s_cli.scoring.tables import Table
from s2s_cli.settings import MANY
from s2s_cli.training.metrics import METRICS

MODELS = [Path("model")]

LineNumber = Annotated[
    int, typer.Option(min=1, max=MANY, help="Number of the line to translate, from 1.")
]


@command
def states_command(
    phrases: Annotated[
        Path, typer.Argument(help="Phrases, one on each line; blank lines separate groups.")
    ],
    *,
    model: ModelPath = Path("model"),
    output: Output = Path("states.svg"),
    name: Annotated[
        list[str] | None, typer.Option(help="Name of each group, in their order (repeat).")
    ] = None,
    tokenised: TokenisedPhrases = False,
) -> None:
    """Draw where the encoder puts phrases: their states in two dimensions, a colour for each group.

    The states are the last hidden and cell states of all layers of the encoder, from which the
    paper's decoder starts. The axes are their first two principal components. Phrases are tokenised
    and reversed as the text of the model was.

    Examples:
        s2s show states phrases.en
        s2s show states phrases.en -m model-2 -o states.pdf
    """
    check_output(output)
    groups = read_groups(phrases)
    names = group_names(len(groups), name or [])
    from s2s_cli.inference.replicas import LoadedModel
    from s2s_cli.inference.states import phrase_vectors, principal_components
    from s2s_cli.model.device import choose_device

    lines = [line for group in groups for line in group]
    loaded = LoadedModel.of([model], choose_device("cpu"), "fp32", tokenised=tokenised)
    vectors, unknown = phrase_vectors(loaded, lines)
    if unknown:
        warn(f"{len(unknown)} phrases have words that the model does not know: {unknown[0]!r}")
    if len(lines) > MOST_LABELS:
        warn(f"more than {MOST_LABELS} phrases: the picture has points without labels")
    projection = principal_components(vectors)
    points = iter(projection.points)
    located = [[(line, *next(points)) for line in group] for group in groups]
    columns = ["group", "phrase", "first_component", "second_component"]
    rows = [
        [of_group, line, f"{x:.6g}", f"{y:.6g}"]
        for of_group, group in zip(names, located, strict=True)
        for line, x, y in group
    ]
    draw = partial(plot_states, located, projection.shares, names)
    report_written(write_figure(output, Table(columns, rows), draw))


def read_groups(path: Path) -> list[list[str]]:
    """Read the lines of ``path`` in groups that blank lines part.

    Raises:
        UserError: fewer than two phrases.
    """
    groups: list[list[str]] = [[]]
    for line in read_lines(path):
        if line.strip():
            groups[-1].append(line.strip())
        elif groups[-1]:
            groups.append([])
    if sum(map(len, groups)) < 2:
        raise UserError(f"{name_of(path)}: needs two phrases at least, one a line")
    return [group for group in groups if group]


def group_names(count: int, given: list[str]) -> list[str]:
    """The name of each group: as was given, or its number.

    Raises:
        UsageError: not a name for each.
    """
    if given and len(given) != count:
        raise UsageError(
            f"--name is given {len(given)} times for {count} groups; name each of them, or none"
        )
    return given or [str(number) for number in range(1, count + 1)]


@command
def attention_command(
    source: Annotated[Path, typer.Argument(help="Text to translate.")],
    *,
    model: Annotated[
        list[Path],
        typer.Option(
            help="Model directory, or a file of weights in one. Repeat it for an ensemble."
        ),
    ] = MODELS,
    output: Output = Path("attention.svg"),
    line: LineNumber = 1,
    beam: Annotated[
        int, typer.Option(min=1, max=MOST_BEAM, help="Beam size: hypotheses kept at each step.")
    ] = 12,
    tokenised: TokenisedText = False,
) -> None:
    """Draw the attention weights of a translation as a heat map.

    Columns are the source words. Rows are the words of the translation, the last one <EOS>; each
    row sums to 1. For an ensemble, the weights are the mean of the models that have attention.

    Examples:
        s2s show attention in.en
        s2s show attention in.en --line 3 -m attentive -o attention.png
    """
    check_output(output)
    text = line_of(source, line)
    from s2s_cli.api import Translator
    from s2s_cli.decoding.alignment import require_attention

    require_attention(model, "the picture")
    if not text.strip():
        raise UserError(f"{name_of(source)}:{line}: is blank; choose another --line")
    found = Translator(*model, device="cpu", tokenised=tokenised).attention(text, beam=beam)
    words, target, weights = found.source, found.target, found.weights.tolist()
    columns = ["target_place", "target_word", "source_place", "source_word", "weight"]
    rows = [
        [str(down), target[down - 1], str(across), word, f"{weight:.6g}"]
        for down, of_word in enumerate(weights, 1)
        for across, (word, weight) in enumerate(zip(words, of_word, strict=True), 1)
    ]
    draw = partial(plot_attention, words, target, weights)
    report_written(write_figure(output, Table(columns, rows), draw))


def line_of(path: Path, number: int) -> str:
    """Read line ``number`` of ``path``, from 1.

    Raises:
        UserError: there is none.
    """
    line = next(islice(read_lines(path), number - 1, None), None)
    if line is None:
        raise UserError(f"{name_of(path)}: has no line {number}; choose another --line")
    return line


@command
def curves_command(
    model: Annotated[list[Path], typer.Argument(help="Model directories.")] = MODELS,
    *,
    output: Output = Path("curves.svg"),
    name: Annotated[
        list[str] | None, typer.Option(help="Name of each model, in their order (repeat).")
    ] = None,
) -> None:
    """Draw learning curves: perplexity of training and validation text by epoch.

    Perplexity is per target word, <EOS> included. For the training text it is averaged over the
    updates between two log lines. A triangle marks each point where the learning rate was lowered.
    The picture averages neighbouring points if there are many; NAME.tsv has all.

    Examples:
        s2s show curves
        s2s show curves model model-2 --name forward --name reversed -o curves.pdf
    """
    check_output(output)
    names = system_names(model, name or [])
    found = [read_curve(each, path / METRICS) for each, path in zip(names, model, strict=True)]
    report_written(write_figure(output, curves_table(found), partial(plot_curves, found)))
