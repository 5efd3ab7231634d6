"""The command ``s2s show report``: one HTML page about an experiment."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from s2s_cli.commands.command import command
from s2s_cli.commands.options import tokenised_help
from s2s_cli.commands.show import (
    Names,
    Reference,
    Translations,
    read_checked,
    report_written,
    warn_of_blanks,
)
from s2s_cli.console import say
from s2s_cli.errors import UsageError, UserError
from s2s_cli.files import STDIO, existing, replacing
from s2s_cli.installation import install_extra
from s2s_cli.report.figures import can_draw
from s2s_cli.scoring.breakdowns import BinConfig
from s2s_cli.scoring.languages import choose_language
from s2s_cli.scoring.systems import TextForm, system_names
from s2s_cli.settings import WRITES, setting

if TYPE_CHECKING:
    from s2s_cli.report.models import ReportedModel

PAGES = (".html", ".htm")
SOURCE_TEXT = Path("corpus/test.en")
MODEL_DIRECTORY = Path("model")


@dataclass(frozen=True)
class ReportConfig(BinConfig):
    """Sizes of the page, and languages and tokenising of the texts."""

    bootstrap: int = setting(
        1000, "Bootstrap resamples for 95 % intervals. 0: none.", min=0, max=10_000
    )
    examples: int = setting(
        5,
        "Sentences to show for each pair of systems, in each direction. 0: none.",
        min=0,
        max=1000,
    )
    title: str = setting("", "Title of the page.")
    tokenised: bool = setting(False, tokenised_help("The texts are"))
    source_language: str = setting(
        "", "Language of the source. By default: that of --model, or en."
    )
    language: str = setting(
        "", "Language of the translations. By default: that of --model, that of data/, or fr."
    )


@command
def report_command(
    reference: Reference,
    translation: Translations,
    *,
    source: Annotated[
        Path | None,
        typer.Option(help="Text that was translated. By default: corpus/test.en, if it exists."),
    ] = None,
    output: Annotated[Path, typer.Option(help="HTML page, NAME.html."), WRITES] = Path(
        "report.html"
    ),
    name: Names = None,
    model: Annotated[
        list[Path] | None,
        typer.Option(
            help="Model directory, for settings and curves (repeat). By default: model, if it "
            "exists."
        ),
    ] = None,
    config: ReportConfig,
) -> None:
    """Write an HTML page of scores, breakdowns, curves, and sentences that differ most.

    The page is one file and needs no network. All other systems are compared with the first one.
    Parts that need a source text or a model are left out if there is none. The sentences are those
    with the largest differences in chrF; a model with attention shows its weights for them.

    Examples:
        s2s show report ref.fr out.fr --source in.en
        s2s show report ref.fr out.fr other.fr --title Experiment -o experiment.html
    """
    if output != STDIO and output.suffix.lower() not in PAGES:
        raise UsageError(f"--output {output}: the name must end in {PAGES[0]}")
    config.check()
    models = read_models(model)
    systems_form = text_form(config, models)
    source = find_source(source)
    systems = read_checked(source, reference, translation, name, systems_form)
    warn_of_blanks(systems)
    from s2s_cli.report.make import make_report
    from s2s_cli.report.page import report_page

    if not can_draw():
        say(
            "no pictures without matplotlib: the page has tables alone; for pictures: "
            + install_extra("plot")
        )
    report = make_report(config.title, systems_form, systems, models, config, config.examples)
    page = report_page(report)
    with replacing(output) as stream:
        stream.write(page)
    if output != STDIO:
        report_written([output])


def read_models(paths: list[Path] | None) -> "list[ReportedModel]":
    """Read the descriptions of the models: those named, or ``model/`` where that is one."""
    from s2s_cli.model.description import DESCRIPTION
    from s2s_cli.report.models import ReportedModel

    if paths is None:
        if not (MODEL_DIRECTORY / DESCRIPTION).is_file():
            say("no model/: the page has no settings, curves, attention and rarity of words")
            return []
        paths = [MODEL_DIRECTORY]
    names = system_names(paths, [])
    return [ReportedModel.read(each, path) for each, path in zip(names, paths, strict=True)]


def text_form(config: ReportConfig, models: "list[ReportedModel]") -> TextForm:
    """Choose languages and tokenising: as given, or as the first model has them."""
    facts = models[0].description.facts if models else None
    source_language = config.source_language or (facts.source_language if facts else "en")
    tokenised = config.tokenised or (facts is not None and facts.tokenised)
    return TextForm(source_language, choose_language(config.language, facts), tokenised)


def find_source(given: Path | None) -> Path | None:
    """Take the source as it was given, or that of the experiment where there is one."""
    if given is not None:
        return given
    try:
        existing(SOURCE_TEXT)
    except UserError:
        say(f"no {SOURCE_TEXT}: the page has no source sentences, and BLEU by length or rarity")
        return None
    return SOURCE_TEXT
