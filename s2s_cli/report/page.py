"""The page: one file that fetches nothing, and in which only its own script runs."""

from base64 import b64encode
from collections.abc import Iterable, Iterator
from functools import partial
from hashlib import sha256
from importlib.resources import files

from s2s_cli import __version__
from s2s_cli.console import counted
from s2s_cli.report.contents import Report
from s2s_cli.report.examples import contrast_sections
from s2s_cli.report.figures import can_draw, inline_svg
from s2s_cli.report.html import Html, element, raw_element
from s2s_cli.report.tables import (
    breakdown_table,
    comparison_table,
    curves_summary,
    facts_table,
    html_table,
    score_table,
    validation_rows,
)
from s2s_cli.scoring.breakdowns import LENGTH_LABEL, METRIC, BinScore, rarity_label
from s2s_cli.scoring.metrics import corpus_metric
from s2s_cli.scoring.pictures import Draw
from s2s_cli.scoring.plots import plot_breakdown, plot_curves

MOST_VALIDATIONS = 40  # of a training, in the table
SMOOTHED = "In italics, and hollow in the figure: smoothed (exp), as no n-gram of an order matches."
NO_PICTURES = "The tables have no pictures beside them: matplotlib was not installed."


def report_page(report: Report) -> bytes:
    """Write the page; the same report gives the same bytes."""
    style, script = (asset(name) for name in ("page.css", "page.js"))
    policy = f"default-src 'none'; style-src {digest(style)}; script-src {digest(script)}; "
    sections = list(page_sections(report))
    body = element(
        "body",
        element("header", element("h1", report.title), element("p", subtitle(report))),
        contents_list(sections),
        element("main", *(section(*each) for each in sections)),
        element("footer", element("p", f"Made by s2s {__version__} with s2s show report.")),
        raw_element("script", script),
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element(
            "meta",
            http_equiv="Content-Security-Policy",
            content=f"{policy}base-uri 'none'; form-action 'none'",
        ),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", report.title),
        raw_element("style", style),
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n".encode()


def asset(name: str) -> str:
    """Read a file of this package."""
    return files(__package__).joinpath(name).read_text("utf-8")


def digest(content: str) -> str:
    """Name ``content`` as a Content Security Policy does."""
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"


def subtitle(report: Report) -> str:
    count, names = len(report.systems.references), list(report.systems.texts)
    languages = report.language
    if report.systems.sources:
        languages = f"{report.source_language} → {languages}"
    return f"{counted(count, 'sentence')}, {languages}: {', '.join(names)}"


def contents_list(sections: list[tuple[str, str, list[Html]]]) -> Html:
    links = (element("li", element("a", title, href=f"#{name}")) for name, title, _ in sections)
    return element("nav", element("ul", *links), aria_label="Sections")


def section(name: str, title: str, parts: list[Html]) -> Html:
    heading = element("h2", title, id=f"{name}-title")
    return element("section", heading, *parts, id=name, aria_labelledby=f"{name}-title")


def page_sections(report: Report) -> Iterator[tuple[str, str, list[Html]]]:
    """Name, title and parts of each section that there is something in."""
    yield "scores", "Scores", list(scores_parts(report))
    if report.lengths:
        figure = breakdown_parts(report.lengths, "lengths", LENGTH_LABEL, edges=False)
        yield "lengths", "BLEU by length", figure
    if report.rarity:
        label = rarity_label(report.rarity)
        figure = breakdown_parts(report.rarity, "rarity", label, edges=True)
        yield "rarity", "BLEU by rarity of words", figure
    if report.models:
        yield "models", "Models", list(model_parts(report))
    if report.contrasts:
        yield "sentences", "Sentences that differ most", list(sentence_parts(report))


def scores_parts(report: Report) -> Iterator[Html]:
    """Write scores, tests and signatures."""
    yield score_table(report.scores)
    (first, *_) = report.scores.values()
    interval = any(score.low is not None for score in first.values())
    brackets = "In brackets: 95 % intervals of the bootstrap. " if interval else ""
    yield note(f"{brackets}BP is the brevity penalty of BLEU.")
    yield signature_list((each.name, each.signature) for each in first.values())
    if not report.comparisons:
        return
    yield comparison_table(report.comparisons)
    yield note(
        f"Differences to {next(iter(report.scores))}, and how probable ones as large are if "
        "the systems are equally good: by paired bootstrap, and by approximate "
        "randomisation. Not corrected for the number of tests."
    )
    signatures = signature_list(
        (f"{name}, {each.score.name}", each.score.signature)
        for name, found in report.comparisons.items()
        for each in found.values()
    )
    yield element("details", element("summary", "Signatures of the differences"), signatures)


def signature_list(signatures: Iterable[tuple[str, str]]) -> Html:
    """Write each signature with the name of what it is of."""
    entries = (element("li", f"{name}: {signature}") for name, signature in signatures)
    return element("ul", *entries, class_="signatures")


def breakdown_parts(points: list[BinScore], name: str, label: str, *, edges: bool) -> list[Html]:
    """Write a figure of bins, and its data."""
    title = f"{corpus_metric(METRIC).name} by {label.partition(' (')[0]}"
    draw = partial(plot_breakdown, points, label, edges=edges)
    table = breakdown_table(title, points, decimals=int(edges))
    smoothed = any(each.smoothed for each in points)
    parts = figure_parts(name, title, draw, table)
    return [*parts, note(SMOOTHED)] if smoothed else parts


def figure_parts(name: str, title: str, draw: Draw, table: Html) -> list[Html]:
    """Write a figure and, folded up, its data; the data alone where nothing can be drawn."""
    if not can_draw():
        return [table, note(NO_PICTURES)]
    scroll = element("div", inline_svg(name, title, draw), class_="scroll", tabindex="0")
    data = element("details", element("summary", "Data of the figure"), table)
    return [element("figure", scroll, element("figcaption", title)), data]


def model_parts(report: Report) -> Iterator[Html]:
    """Write curves and settings."""
    curves = [each.curve for each in report.models if each.curve]
    if curves:
        yield curves_summary(curves)
        rows = list(validation_rows(curves, MOST_VALIDATIONS))
        title = "Perplexity by epoch"
        table = html_table(title, ["model", "epoch", "validation perplexity"], rows)
        yield from figure_parts("curves", title, partial(plot_curves, curves), table)
    yield facts_table("Text, shape and training", {each.name: each.facts for each in report.models})
    settings = {each.name: each.settings for each in report.models if each.settings}
    if settings:
        table = facts_table("Settings of the trainings", settings)
        yield element("details", element("summary", "Settings of the trainings"), table)
    if len(report.models) > 1:
        yield note("In bold: what differs.")


def sentence_parts(report: Report) -> Iterator[Html]:
    """Write the sentences, and how to read them."""
    yield element(
        "p",
        "Marked words are not in the other translation: ",
        element("mark", "solid lines", class_="right"),
        " for words that the reference has, ",
        element("mark", "dotted lines", class_="wrong"),
        " for words that it has not.",
        class_="note",
    )
    if report.attention:
        yield note(
            "Point at a word of a translation, or go there by the Tab and arrow keys: the words of "
            f"the source are shaded by the attention of {report.attention.model} as it is made to "
            "write this translation."
        )
    yield from contrast_sections(report)


def note(text: str) -> Html:
    return element("p", text, class_="note")
