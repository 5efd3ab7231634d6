"""Tables of the page."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from s2s_cli.report.figures import themed
from s2s_cli.report.html import Html, element, fragment
from s2s_cli.scoring.breakdowns import BinScore
from s2s_cli.scoring.curves import LearningCurve
from s2s_cli.scoring.metrics import Score, TextMetric
from s2s_cli.scoring.plots import line_style
from s2s_cli.scoring.significance import Comparison

LEAST_P = 0.0001  # smaller ones are written as below it


def html_table(
    caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, class_: str = "numbers"
) -> Html:
    """Make a table that scrolls sideways where it is too wide; the first cell of a row heads it."""
    head = element("tr", *(element("th", each, scope="col") for each in columns))
    body = (
        element(
            "tr",
            element("th", first, scope="row", dir="auto"),
            *(element("td", each) for each in cells),
        )
        for first, *cells in rows
    )
    table = element(
        "table",
        element("caption", caption),
        element("thead", head),
        element("tbody", *body),
        class_=class_,
    )
    return element(
        "div", table, class_="scroll", tabindex="0", role="region", aria_label=str(caption)
    )


def swatch(number: int) -> Html:
    """A dot in the colour that the figures have for system ``number``."""
    dot = element("circle", cx="5", cy="5", r="5", fill=themed(line_style(number)[0]))
    return element("svg", dot, viewBox="0 0 10 10", class_="swatch", aria_hidden="true")


def score_table(scores: Mapping[str, Mapping[TextMetric, Score]]) -> Html:
    """A row for each system: values with their intervals, and the parts of BLEU."""
    (first, *_) = scores.values()
    columns = ["system", *(each.name for each in first.values()), "BP", "length ratio"]
    rows = []
    for number, (system, found) in enumerate(scores.items()):
        parts = found["bleu-tokenised"].parts
        assert parts is not None
        lengths = (f"{parts.brevity_penalty:.3f}", f"{parts.length_ratio:.3f}")
        label = fragment([swatch(number), system])
        rows.append([label, *map(score_cell, found.values()), *lengths])
    return html_table("Scores of all sentences", columns, rows)


def score_cell(score: Score) -> Html:
    if score.low is None:
        return fragment([f"{score.value:.2f}"])
    interval = element("span", f"[{score.low:.2f}, {score.high:.2f}]", class_="interval")
    return fragment([f"{score.value:.2f} ", interval])


def comparison_table(comparisons: Mapping[str, Mapping[TextMetric, Comparison]]) -> Html:
    """A row for each system and metric: the difference to the baseline, and both tests."""
    columns = ["system", "metric", "difference", "p, bootstrap", "p, randomisation"]
    rows = [
        [
            system,
            each.score.name,
            f"{each.difference:+.2f}",
            p_value(each.bootstrap_p),
            p_value(each.randomisation_p),
        ]
        for system, found in comparisons.items()
        for each in found.values()
    ]
    return html_table("Differences to the first system", columns, rows, class_="numbers tests")


def p_value(p: float) -> str:
    return f"{p:.4f}" if p >= LEAST_P else f"< {LEAST_P}"


def breakdown_table(caption: str, points: Sequence[BinScore], decimals: int) -> Html:
    """A row for each bin, a column for each system."""
    systems = [list(group) for _, group in groupby(points, key=lambda each: each.system)]
    columns = ["from", "to", "sentences", *(each[0].system for each in systems)]
    rows = [
        [
            f"{scores[0].bin.low:,.{decimals}f}",
            f"{scores[0].bin.high:,.{decimals}f}",
            f"{len(scores[0].bin.lines):,}",
            *(bin_cell(each) for each in scores),
        ]
        for scores in zip(*systems, strict=True)
    ]
    return html_table(caption, columns, rows)


def bin_cell(point: BinScore) -> Html:
    """Write a score; one that is smoothed, where it would be 0, in italics."""
    cell = score_cell(point.score)
    return element("i", cell) if point.smoothed else cell


def facts_table(caption: str, models: Mapping[str, Mapping[str, str]]) -> Html:
    """A row for each name, a column for each model; what differs is in bold."""
    names = dict.fromkeys(name for facts in models.values() for name in facts)
    rows = []
    for name in names:
        values = [facts.get(name, "–") for facts in models.values()]
        same = len(set(values)) == 1
        rows.append([name, *(value if same else element("strong", value) for value in values)])
    return html_table(caption, ["", *models], rows, class_="text")


def curves_summary(curves: Sequence[LearningCurve]) -> Html:
    """A row for each training: how long it was, and its best validation."""
    columns = ["model", "updates", "epochs", "best validation perplexity", "at epoch"]
    return html_table("Trainings", columns, map(summary_row, curves))


def summary_row(curve: LearningCurve) -> list[str]:
    last = curve.entries[-1]
    epoch, best = min(curve.validation(), key=lambda each: each[1], default=(None, None))
    return [
        curve.name,
        f"{last.update:,}",
        f"{last.epoch:.2f}",
        "–" if best is None else f"{best:,.2f}",
        "–" if epoch is None else f"{epoch:.2f}",
    ]


def validation_rows(curves: Sequence[LearningCurve], most: int) -> Iterator[list[str]]:
    """Rows of at most so many validations of each training, the last one among them."""
    for curve in curves:
        points = curve.validation()
        every = -(-len(points) // most) or 1
        for epoch, perplexity in points[::-1][::every][::-1]:
            yield [curve.name, f"{epoch:.2f}", f"{perplexity:,.2f}"]
