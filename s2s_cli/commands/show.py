"""The commands ``s2s show``: the paper's figures and tables that are made from translations."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from s2s_cli.commands.command import command
from s2s_cli.commands.options import TokenisedTexts, tokenised_help
from s2s_cli.commands.score import warn_of_tokenised_text
from s2s_cli.console import counted, say, warn
from s2s_cli.errors import UsageError
from s2s_cli.files import STDIO, replacing
from s2s_cli.scoring.breakdowns import (
    LENGTH_LABEL,
    BinConfig,
    BinScore,
    length_points,
    points_table,
    rarity_label,
    rarity_points,
)
from s2s_cli.scoring.pictures import check_output, write_figure
from s2s_cli.scoring.plots import plot_breakdown
from s2s_cli.scoring.systems import Systems, TextForm, read_systems, system_names
from s2s_cli.scoring.tables import longest_sentences
from s2s_cli.settings import MANY, WRITES, setting

if TYPE_CHECKING:
    from s2s_cli.text.facts import Facts
    from s2s_cli.text.subwords import Splitter
    from s2s_cli.text.vocabulary import Vocabulary

MARKDOWN = ".md"

Reference = Annotated[Path, typer.Argument(help="Reference, one sentence on each line.")]
Translations = Annotated[list[Path], typer.Argument(help="Translations, one file for each system.")]
Output = Annotated[
    Path,
    typer.Option(help="Picture NAME.svg, .png or .pdf, and its data NAME.tsv; or only NAME.tsv."),
    WRITES,
]
Names = Annotated[
    list[str] | None, typer.Option(help="Name of each system, in their order (repeat).")
]
Source = Annotated[Path, typer.Option(help="Text that was translated.")]


@dataclass(frozen=True)
class TextFormConfig:
    """Languages and tokenising of the texts, where no model says so."""

    tokenised: bool = setting(False, tokenised_help("The texts are"))
    source_language: str = setting("en", "Language of the source, for tokenising.")
    language: str = setting("fr", "Language of the translations, likewise.")

    def text_form(self) -> TextForm:
        return TextForm(self.source_language, self.language, self.tokenised)


@command
def lengths_command(
    reference: Reference,
    translation: Translations,
    *,
    source: Source = Path("corpus/test.en"),
    output: Output = Path("lengths.svg"),
    name: Names = None,
    config: BinConfig,
    form: TextFormConfig,
) -> None:
    """Draw BLEU by the length of the source sentence, with a line for each system.

    Sentences are sorted by their number of words and put into bins of roughly equal size; those of
    one length share a bin. Each point is the corpus BLEU of a bin on tokenised text, as in `s2s
    score`. If it would be 0, because no n-gram of some order matches, it is smoothed and its marker
    is hollow.

    Examples:
        s2s show lengths ref.fr out.fr --source in.en
        s2s show lengths ref.fr out.fr other.fr --name small --name large
    """
    check_output(output)
    config.check()
    systems = read_checked(source, reference, translation, name, form.text_form())
    warn_of_blanks(systems)
    points = length_points(systems, config)
    warn_of_few(points, config)
    write_points(output, points, 0, LENGTH_LABEL, edges=False)


@command
def rarity_command(
    reference: Reference,
    translation: Translations,
    *,
    source: Source = Path("corpus/test.en"),
    output: Output = Path("rarity.svg"),
    name: Names = None,
    model: Annotated[
        Path, typer.Option(help="Model directory, which has languages, tokeniser and ranks.")
    ] = Path("model"),
    data: Annotated[
        Path | None, typer.Option(help="Directory that `s2s vocab` completed, instead of a model.")
    ] = None,
    tokenised: TokenisedTexts = False,
    config: BinConfig,
) -> None:
    """Draw BLEU by how rare the words of the source sentence are, with a line for each system.

    Sentences are sorted by the average frequency rank of their words (or pieces of words) in the
    source vocabulary, and put into bins of roughly equal size. The most frequent word has rank 1; a
    word outside the vocabulary has the vocabulary's size. Each point is the corpus BLEU of a bin on
    tokenised text, as in `s2s score`. If it would be 0, it is smoothed and its marker is hollow.

    Examples:
        s2s show rarity ref.fr out.fr --source in.en
        s2s show rarity ref.fr out.fr other.fr --data data -o rarity.png
    """
    check_output(output)
    config.check()
    facts, vocabulary, pieces = source_side(model, data)
    form = TextForm(facts.source_language, facts.target_language, tokenised or facts.tokenised)
    systems = read_checked(source, reference, translation, name, form)
    warn_of_blanks(systems)
    points = rarity_points(systems, vocabulary, pieces, config)
    warn_of_few(points, config)
    write_points(output, points, 1, rarity_label(points), edges=True)


@command
def longest_command(
    reference: Reference,
    translation: Translations,
    *,
    source: Source = Path("corpus/test.en"),
    output: Annotated[Path, typer.Option(help=f"Markdown file, NAME{MARKDOWN}."), WRITES] = STDIO,
    name: Names = None,
    number: Annotated[
        int, typer.Option("--number", "-n", min=1, max=MANY, help="Number of sentences.")
    ] = 3,
    form: TextFormConfig,
) -> None:
    """Print the longest source sentences with translations and reference, as Markdown.

    Examples:
        s2s show longest ref.fr out.fr --source in.en
        s2s show longest ref.fr out.fr other.fr -n 10 -o longest.md
    """
    if output != STDIO and output.suffix.lower() != MARKDOWN:
        raise UsageError(f"--output {output}: the name must end in {MARKDOWN}")
    systems = read_checked(source, reference, translation, name, form.text_form())
    with replacing(output) as stream:
        for line in longest_sentences(systems, number):
            stream.write(line.encode(errors="backslashreplace"))  # names may be any bytes


def read_checked(
    source: Path | None,
    reference: Path,
    translations: list[Path],
    names: list[str] | None,
    form: TextForm,
) -> Systems:
    """Read all texts; warn where one looks tokenised and is not declared so."""
    named = system_names(translations, names or [])
    systems = read_systems(source, reference, translations, named, form)
    for texts in systems.texts.values():
        warn_of_tokenised_text(texts)
    return systems


def warn_of_blanks(systems: Systems) -> None:
    if blank := systems.words.count([]):
        warn(f"{counted(blank, 'blank line')} of the source left out")


def warn_of_few(points: list[BinScore], config: BinConfig) -> None:
    """Warn where the text is too small for the bins that were asked for."""
    lines = sum(len(each.bin.lines) for each in points if each.system == points[0].system)
    if lines // config.min_sentences < config.bins:
        made = sum(each.system == points[0].system for each in points)
        warn(
            f"too few sentences, {lines:,}, for {config.bins} bins of {config.min_sentences} or "
            f"more (--min-sentences): {made} made"
        )


def source_side(model: Path, data: Path | None) -> "tuple[Facts, Vocabulary, Splitter]":
    """Read facts, source vocabulary and splitter of words, of a data directory or of a model."""
    if data is None:
        from s2s_cli.model.description import Description

        description = Description.read(model)
        facts, models = description.facts, description.piece_models
        splitters = facts.subwords.splitters(models, facts.languages)
        return facts, description.source_vocabulary, splitters[0]
    from s2s_cli.text.facts import Facts
    from s2s_cli.text.layout import vocabulary_file
    from s2s_cli.text.vocabulary import Vocabulary

    facts = Facts.read(data)
    models = facts.subwords.read_models(data, facts.languages)
    splitter = facts.subwords.splitters(models, facts.languages)[0]
    return facts, Vocabulary.read(vocabulary_file(data, facts.source_language)), splitter


def write_points(
    output: Path, points: list[BinScore], decimals: int, label: str, *, edges: bool
) -> None:
    draw = partial(plot_breakdown, points, label, edges=edges)
    report_written(write_figure(output, points_table(points, decimals), draw))


def report_written(paths: list[Path]) -> None:
    say(f"wrote {', '.join(map(str, paths))}")
