"""The pictures, drawn by matplotlib: scores by bins of sentences, and learning curves."""

import re
import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from s2s_cli.scoring.breakdowns import Bin, BinScore
from s2s_cli.scoring.curves import LearningCurve, thinned
from s2s_cli.scoring.labels import spread_apart

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

# Okabe and Ito's, which the colour-blind can tell apart; without yellow, which is pale on white.
# Markers and dashes are for those who print in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("solid", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)), (0, (3, 3)))
GREY = "#777777"
INK = "#222222"
MOST_POINTS = 300  # of a line: more cannot be told apart
MOST_TICKS = 12
LINE_HEIGHT = 13.0  # of the name of a line, in 1/72 inch
SAMPLE = 22.0  # length of the line before a name, likewise
TICK_GAP = 4.0  # between labels of an axis
# Of a text that is drawn; more would make a picture wider than any screen.
MOST_CHARACTERS = 100
NAME_WIDTH = 26  # characters of a name in one line
NAME_LINES = 3
# What XML, and so SVG, cannot hold; and what would end a line.
NOT_DRAWABLE = re.compile("[^ -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def drawable(text: str, most: int = MOST_CHARACTERS) -> str:
    """``text`` as it can be drawn in any format: not too long, on one line, with signs for bytes
    and controls that are no text.
    """
    short = text if len(text) <= most else text[: most - 1] + "…"
    return NOT_DRAWABLE.sub(
        lambda each: " " if each[0] in "\t\n\r" else "\N{REPLACEMENT CHARACTER}", short
    )


def folded(text: str, width: int = NAME_WIDTH, lines: int = NAME_LINES) -> str:
    """Fold a `drawable` text into a few lines; what is too long for them ends in ``…``."""
    parts = textwrap.wrap(drawable(text), width, break_on_hyphens=False) or [""]
    if len(parts) > lines:
        parts[lines - 1 :] = [parts[lines - 1][: width - 1] + "…"]
    return "\n".join(parts)


def canvas(width: float, height: float) -> "tuple[Figure, Axes]":
    """An empty figure of so many inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    return figure, figure.add_subplot()


def plot_breakdown(points: Sequence[BinScore], label: str, *, edges: bool) -> "Figure":
    """A line for each system through its bins, which are as wide as each other (Figure 3).

    A hollow marker is a smoothed score.

    Args:
        points: of all systems, the same bins in the same order.
        label: of the axis of the property.
        edges: name the values where bins end; otherwise which values each bin has.
    """
    figure, axes = canvas(7.2, 3.9)
    lines = [list(group) for _, group in groupby(points, key=lambda each: each.system)]
    shaded = all(each.score.low is not None for each in points)
    for number, line in enumerate(lines):
        draw_line(axes, number, line, shaded=shaded)
    bins = [each.bin for each in lines[0]]
    places, names = edge_ticks(bins) if edges else range_ticks(bins)
    every = -(-len(bins) // MOST_TICKS)
    axes.set_xticks(places[::every], names[::every])
    axes.set_xlim(-0.5, len(bins) - 0.5)
    axes.set_ylim(bottom=max(0.0, axes.get_ylim()[0]))
    hollow = any(each.smoothed for each in points)
    axes.set_xlabel(
        label + "\nhollow: smoothed BLEU, as some order of n-grams has no match" * hollow
    )
    # Not the name of a smoothed score, which only some have.
    name = next((each.score.name for each in points if not each.smoothed), points[0].score.name)
    axes.set_ylabel(name + ", 95 % intervals shaded" * shaded)
    part_ticks(figure, axes)
    name_lines(figure, axes, [(line[0].system, line[-1].score.value) for line in lines])
    return figure


def draw_line(axes: "Axes", number: int, line: Sequence[BinScore], *, shaded: bool) -> None:
    """Draw the line ``number`` through its points, and its interval."""
    at = range(len(line))
    colour, marker = line_style(number)
    values = [each.score.value for each in line]
    # Whole points at 0.
    axes.plot(at, values, color=colour, linestyle=dash(number), marker=marker, clip_on=False)
    for place, each in enumerate(line):
        if each.smoothed:
            axes.plot(
                place, each.score.value, marker, color=colour, markerfacecolor="white",
                clip_on=False,
            )  # fmt: skip
    if shaded:
        low, high = ([getattr(each.score, name) for each in line] for name in ("low", "high"))
        axes.fill_between(at, low, high, color=colour, alpha=0.13, linewidth=0)


def edge_ticks(bins: Sequence[Bin]) -> tuple[list[float], list[str]]:
    """The places where bins begin and end, and the values there."""
    between = [(one.high + two.low) / 2 for one, two in pairwise(bins)]
    values = [bins[0].low, *between, bins[-1].high]
    return [place - 0.5 for place in range(len(values))], [f"{value:,.0f}" for value in values]


def range_ticks(bins: Sequence[Bin]) -> tuple[list[float], list[str]]:
    """The middle of each bin, and its values and number of sentences."""
    ranges = [
        f"{each.low:.0f}" if each.low == each.high else f"{each.low:.0f}–{each.high:.0f}"
        for each in bins
    ]
    names = [f"{each}\n({len(bin.lines):,})" for each, bin in zip(ranges, bins, strict=True)]
    return list(map(float, range(len(bins)))), names


def part_ticks(figure: "Figure", axes: "Axes") -> None:
    """Turn the labels below the axis where they would run into each other."""
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
    if any(two.x0 - one.x1 < TICK_GAP for one, two in pairwise(boxes)):
        axes.tick_params(axis="x", labelrotation=90)


def line_style(number: int) -> tuple[str, str]:
    """Colour and marker of the line ``number``."""
    return COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]


def dash(number: int) -> str | tuple[int, tuple[float, ...]]:
    """Dashes of the line ``number``."""
    return DASHES[number % len(DASHES)]


def name_lines(figure: "Figure", axes: "Axes", ends: Sequence[tuple[str, float]]) -> None:
    """Write the name of each line to the right of its end, one above the other.

    Of the lines, ``ends`` has the names and the last values.
    """
    figure.draw_without_rendering()
    heights = [axes.transData.transform((0, value))[1] for _, value in ends]
    inverse = axes.transData.inverted()
    names = [folded(name) for name, _ in ends]
    sizes = [LINE_HEIGHT * (name.count("\n") + 1) for name in names]
    # Not beside the labels below the axis.
    for number, height in enumerate(spread_apart(heights, sizes, float(axes.bbox.y0))):
        y = inverse.transform((0, height))[1]
        left, right = (1 + each / axes.bbox.width for each in (4.0, 4.0 + SAMPLE))
        colour, marker = line_style(number)
        axes.plot(
            [left, (left + right) / 2, right], [y] * 3, color=colour, linestyle=dash(number),
            marker=marker, markevery=[1], transform=axes.get_yaxis_transform(), clip_on=False,
            scalex=False, scaley=False,
        )  # fmt: skip
        axes.annotate(
            names[number], (right, y), xycoords=axes.get_yaxis_transform(), xytext=(4, 0),
            textcoords="offset points", color=INK, verticalalignment="center",
        )  # fmt: skip


def plot_curves(curves: Sequence[LearningCurve]) -> "Figure":
    """Perplexities against epochs: of training thin, of validation with marks; below it BLEU.

    A triangle above stands where the learning rate was lowered.
    """
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

    figure, axes, below = curve_panels(with_bleu=any(curve.bleu() for curve in curves))
    handles: list[Line2D] = []
    for number, curve in enumerate(curves):
        colour, marker = line_style(number)
        training, validation = (
            thinned(points, MOST_POINTS) for points in (curve.training(), curve.validation())
        )
        axes.plot(
            *coordinates(training), color=colour, linewidth=0.9, alpha=0.6,
            marker="." if len(training) == 1 else None,
        )  # fmt: skip
        handles += axes.plot(
            *coordinates(validation), color=colour, marker=marker, linestyle=dash(number)
        )
    low, high = limits_of(curves)
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    several = high / low > 10  # of 1, 2, 5, 10, ...
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)) if several else MaxNLocator(6))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlim(left=0)
    mark_drops(
        axes, [(curve.drops(), line_style(number)[0]) for number, curve in enumerate(curves)]
    )
    axes.set_ylabel("perplexity per word (log scale)")
    if below:
        plot_bleu(below, curves)
    (below or axes).set_xlabel("epochs")
    names = [folded(curve.name) for curve in curves]
    for handle in legend_handles(curves):
        handles.append(handle)
        names.append(str(handle.get_label()))
    axes.legend(handles, names, loc="upper left", bbox_to_anchor=(1.0, 1.0), handlelength=2.6)
    return figure


def limits_of(curves: Sequence[LearningCurve]) -> tuple[float, float]:
    """The lowest and the highest perplexity that is drawn, and some room beside them."""
    points = [each for curve in curves for each in (*curve.training(), *curve.validation())]
    values = [value for _, value in points] or [1.0]
    low, high = min(values), max(values)
    room = max(high / low, 1.5) ** 0.05
    return low / room, high * room


def curve_panels(*, with_bleu: bool) -> "tuple[Figure, Axes, Axes | None]":
    """An empty figure with the axes of perplexity, and those of BLEU below."""
    if not with_bleu:
        return *canvas(7.2, 4.2), None
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 6.2))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    return figure, upper, lower


def plot_bleu(axes: "Axes", curves: Sequence[LearningCurve]) -> None:
    """BLEU of validations against epochs, with the marks that perplexity has."""
    for number, curve in enumerate(curves):
        colour, marker = line_style(number)
        axes.plot(*coordinates(curve.bleu()), color=colour, marker=marker, linestyle=dash(number))
    axes.set_ylim(bottom=0)
    axes.set_ylabel("validation BLEU")


def mark_drops(axes: "Axes", drops: Sequence[tuple[list[float], str]]) -> None:
    """Triangles above the frame at the epochs of each line, a row for each that has any."""
    height = 1.02
    for epochs, colour in drops:
        if epochs:
            axes.plot(
                epochs, [height] * len(epochs), "v", color=colour,
                transform=axes.get_xaxis_transform(), clip_on=False,
            )  # fmt: skip
            height += 0.04


def coordinates(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def legend_handles(curves: Sequence[LearningCurve]) -> "Iterator[Line2D]":
    """Entries of the legend for thin lines, marks and triangles."""
    from matplotlib.lines import Line2D

    yield Line2D([], [], color=GREY, linewidth=0.9, label="training text")
    if any(curve.validation() for curve in curves):
        yield Line2D([], [], color=GREY, marker="o", label="validation text")
    if any(curve.drops() for curve in curves):
        yield Line2D([], [], color=GREY, marker="v", linestyle="", label="learning rate lowered")
