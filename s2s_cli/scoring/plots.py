"""The pictures, drawn by matplotlib."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from s2s_cli.scoring.breakdowns import Bin, BinScore
from s2s_cli.scoring.curves import LearningCurve, thinned
from s2s_cli.scoring.labels import Box, place_labels, spread_apart

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

# Okabe and Ito's, which the colour-blind can tell apart; without yellow, which is pale on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#777777"
MOST_POINTS = 300  # of a line: more cannot be told apart
MOST_LABELS = 40
MOST_TICKS = 12
LINE_HEIGHT = 13.0  # of the name of a line, in 1/72 inch
TICK_GAP = 4.0  # between labels of an axis
# Of a text that is drawn; more would make a picture wider than any screen.
MOST_CHARACTERS = 100
# What XML, and so SVG, cannot hold; and what would end a line.
NOT_DRAWABLE = re.compile("[^ -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
FAR = 9.0  # a label that is further from its point is joined to it by a line
LABEL_SIZE = 8.5  # size of the labels of points
CELL = 0.22  # inches of a word's row or column
LONGEST_SIDE = 20.0  # inches; words beyond share it
MOST_WORDS = 80  # that are named on so many inches
MOST_CELLS = 5000  # that are drawn as shapes; more are one image


def drawable(text: str) -> str:
    """``text`` as it can be drawn in any format: not too long, on one line, with signs for bytes
    and controls that are no text.
    """
    short = text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"
    return NOT_DRAWABLE.sub(
        lambda each: " " if each[0] in "\t\n\r" else "\N{REPLACEMENT CHARACTER}", short
    )


def canvas(width: float, height: float) -> "tuple[Figure, Axes]":
    """An empty figure of so many inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    return figure, figure.add_subplot()


def plot_breakdown(points: Sequence[BinScore], label: str, *, edges: bool) -> "Figure":
    """A line for each system through its bins, which are as wide as each other (Figure 3).

    Args:
        points: of all systems, the same bins in the same order.
        label: of the axis of the property.
        edges: name the values where bins end; otherwise which values each bin has.
    """
    figure, axes = canvas(7.2, 3.9)
    lines = [list(group) for _, group in groupby(points, key=lambda each: each.system)]
    at = range(len(lines[0]))
    shaded = all(each.score.low is not None for each in points)
    for number, line in enumerate(lines):
        colour, marker = line_style(number)
        values = [each.score.value for each in line]
        axes.plot(at, values, color=colour, marker=marker, clip_on=False)  # whole points at 0
        if shaded:
            low, high = ([getattr(each.score, name) for each in line] for name in ("low", "high"))
            axes.fill_between(at, low, high, color=colour, alpha=0.13, linewidth=0)
    bins = [each.bin for each in lines[0]]
    places, names = edge_ticks(bins) if edges else range_ticks(bins)
    every = -(-len(bins) // MOST_TICKS)
    axes.set_xticks(places[::every], names[::every])
    axes.set_xlim(-0.5, len(bins) - 0.5)
    axes.set_ylim(bottom=max(0.0, axes.get_ylim()[0]))
    axes.set_xlabel(label)
    axes.set_ylabel(points[0].score.name + ", 95 % intervals shaded" * shaded)
    part_ticks(figure, axes)
    name_lines(figure, axes, [(line[0].system, line[-1].score.value) for line in lines])
    return figure


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


def name_lines(figure: "Figure", axes: "Axes", ends: Sequence[tuple[str, float]]) -> None:
    """Write the name of each line to the right of its end, one above the other.

    Of the lines, ``ends`` has the names and the last values.
    """
    figure.draw_without_rendering()
    heights = [axes.transData.transform((0, value))[1] for _, value in ends]
    inverse = axes.transData.inverted()
    # Not beside the labels below the axis.
    lowest = float(axes.bbox.y0) + LINE_HEIGHT / 2
    for number, height in enumerate(spread_apart(heights, LINE_HEIGHT, lowest)):
        axes.annotate(
            drawable(ends[number][0]),
            (1.0, inverse.transform((0, height))[1]),
            xycoords=axes.get_yaxis_transform(),
            xytext=(4, 0),
            textcoords="offset points",
            color=line_style(number)[0],
            verticalalignment="center",
        )


def plot_states(
    groups: Sequence[Sequence[tuple[str, float, float]]], shares: tuple[float, float]
) -> "Figure":
    """A labelled point for each phrase, each group in its colour (Figure 2).

    Args:
        groups: phrase and both coordinates.
        shares: of the variance that each coordinate has, from 0 to 1.
    """
    figure, axes = canvas(7.6, 5.4)
    for number, group in enumerate(groups):
        _, across, up = zip(*group, strict=True)
        colour, marker = line_style(number)
        axes.plot(across, up, marker, color=colour, markersize=6)
    axes.set_xlabel(f"first principal component ({shares[0]:.0%} of the variance)")
    axes.set_ylabel(f"second principal component ({shares[1]:.0%})")
    # Distances mean something: a unit is as long on both axes.
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.12)
    label_points(
        figure,
        axes,
        [(*each, line_style(number)[0]) for number, group in enumerate(groups) for each in group],
    )
    return figure


def label_points(
    figure: "Figure", axes: "Axes", phrases: Sequence[tuple[str, float, float, str]]
) -> None:
    """Write each phrase near its point, with a line between where they are apart.

    Of ``phrases`` there are text, coordinates and colour.
    """
    if len(phrases) > MOST_LABELS:
        return
    texts = [
        axes.text(0, 0, drawable(text), fontsize=LABEL_SIZE, color=colour)
        for text, _, _, colour in phrases
    ]
    figure.draw_without_rendering()
    sizes = [(box.width, box.height) for box in (text.get_window_extent() for text in texts)]
    points = [to_pair(axes.transData.transform((x, y))) for _, x, y, _ in phrases]
    boxes = place_labels(points, sizes, Box(*axes.bbox.extents))
    inverse = axes.transData.inverted()
    for text, (x, y), box, (_, *point, colour) in zip(texts, points, boxes, phrases, strict=True):
        # Anchored where it is next to its point: a width is not quite the same in every format.
        side = "left" if box.left > x else "right" if box.right < x else "center"
        anchor = {"left": box.left, "right": box.right}.get(side, (box.left + box.right) / 2)
        text.set_position(to_pair(inverse.transform((anchor, (box.bottom + box.top) / 2))))
        text.set(horizontalalignment=side, verticalalignment="center_baseline")
        end = box.nearest(x, y)
        if math.dist(end, (x, y)) > FAR:
            line = [point, inverse.transform(end)]
            axes.plot(
                *zip(*line, strict=True), color=colour, linewidth=0.7, scalex=False, scaley=False
            )


def to_pair(values: Iterable[float]) -> tuple[float, float]:
    x, y = map(float, values)
    return x, y


def plot_attention(
    source: Sequence[str], target: Sequence[str], weights: Sequence[Sequence[float]]
) -> "Figure":
    """The weights [target words, source words] as shades, source words across, target words down.

    As in Figure 3 of Bahdanau et al. 2015, but dark on white.
    """
    across, down = len(source), len(target)
    figure, axes = canvas(*(min(LONGEST_SIDE, 1 + CELL * words) for words in (across, down)))
    image = across * down > MOST_CELLS
    axes.pcolormesh(weights, cmap="Blues", vmin=0, vmax=1, rasterized=image)
    axes.set_xlim(0, across)
    axes.set_ylim(down, 0)
    axes.grid(visible=False)
    axes.xaxis.tick_top()
    for axis, words, angle in ((axes.xaxis, source, 90), (axes.yaxis, target, 0)):
        every = -(-len(words) // MOST_WORDS)
        places = range(0, len(words), every)
        named = list(map(drawable, words[::every]))
        axis.set_ticks([place + 0.5 for place in places], named, rotation=angle)
        axis.set_tick_params(length=0, labelsize=LABEL_SIZE)
    return figure


def plot_curves(curves: Sequence[LearningCurve]) -> "Figure":
    """Perplexities against epochs: of training thin, of validation with marks.

    A triangle above stands where the learning rate was lowered.
    """
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

    figure, axes = canvas(7.2, 4.2)
    handles: list[Line2D] = []
    for number, curve in enumerate(curves):
        colour, marker = line_style(number)
        training, validation = (
            thinned(points, MOST_POINTS) for points in (curve.training(), curve.validation())
        )
        axes.plot(*coordinates(training), color=colour, linewidth=0.9, alpha=0.6)
        handles += axes.plot(*coordinates(validation), color=colour, marker=marker)
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    several = high / low > 10  # of 1, 2, 5, 10, ...
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)) if several else MaxNLocator(6))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlim(left=0)
    mark_drops(
        axes, [(curve.drops(), line_style(number)[0]) for number, curve in enumerate(curves)]
    )
    axes.set_xlabel("epochs")
    axes.set_ylabel("perplexity per word (log scale)")
    names = [drawable(curve.name) for curve in curves]
    for handle in legend_handles(curves):
        handles.append(handle)
        names.append(str(handle.get_label()))
    axes.legend(handles, names, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


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
