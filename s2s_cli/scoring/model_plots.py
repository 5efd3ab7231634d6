"""The pictures of what a model does with a sentence: its state, and its attention."""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from s2s_cli.scoring.labels import Box, place_labels
from s2s_cli.scoring.plots import canvas, drawable, folded, line_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure

MOST_LABELS = 40
ROOMY = 16  # labels for which a picture of usual size has room
FAR = 9.0  # a label that is further from its point is joined to it by a line
LABEL_SIZE = 8.5  # size of the labels of points
LABEL_WIDTH, LABEL_LINES = 34, 2  # characters of a label, and how often it is folded
WORD_WIDTH = 24  # characters of a word beside a heat map
CELL = 0.22  # inches of a word's row or column
LONGEST_SIDE = 20.0  # inches; words beyond share it
MOST_WORDS = 80  # that are named on so many inches
MOST_CELLS = 2000  # that are drawn as shapes; more are one image
# Of the colour bar, in inches: its place right of the map, and its size.
BAR_GAP, BAR_WIDTH, BAR_HEIGHT = 0.15, 0.12, 1.4


def plot_states(
    groups: Sequence[Sequence[tuple[str, float, float]]],
    shares: tuple[float, float],
    names: Sequence[str] = (),
) -> "Figure":
    """A labelled point for each phrase, each group in its colour (Figure 2).

    Args:
        groups: phrase and both coordinates.
        shares: of the variance that each coordinate has, from 0 to 1.
        names: of the groups, for the legend.
    """
    count = sum(map(len, groups))
    larger = max(1.0, math.sqrt(count / ROOMY)) if count <= MOST_LABELS else 1.0
    figure, axes = canvas(7.6 * larger, 5.4 * larger)
    handles = []
    for number, group in enumerate(groups):
        _, across, up = zip(*group, strict=True)
        colour, marker = line_style(number)
        handles += axes.plot(across, up, marker, color=colour, markersize=6)
    axes.set_xlabel(f"first principal component ({shares[0]:.0%} of the variance)")
    axes.set_ylabel(f"second principal component ({shares[1]:.0%})")
    # Distances mean something: a unit is as long on both axes.
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.12)
    if len(groups) > 1:
        shown = [folded(name) for name in names or map(str, range(1, len(groups) + 1))]
        axes.legend(
            handles,
            shown,
            title="group",
            alignment="left",
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
        )
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
        axes.text(
            0, 0, folded(text, LABEL_WIDTH, LABEL_LINES), fontsize=LABEL_SIZE, color=dark(colour)
        )
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
        text.set(horizontalalignment=side, verticalalignment="center")
        end = box.nearest(x, y)
        if math.dist(end, (x, y)) > FAR:
            line = [point, inverse.transform(end)]
            axes.plot(
                *zip(*line, strict=True), color=colour, linewidth=0.7, scalex=False, scaley=False
            )


def dark(colour: str) -> tuple[float, float, float]:
    """A colour for text, which is read less easily than a point."""
    from matplotlib.colors import to_rgb

    red, green, blue = (0.65 * part for part in to_rgb(colour))
    return red, green, blue


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
    mesh = axes.pcolormesh(
        weights, cmap="Blues", vmin=0, vmax=1, rasterized=image,
        edgecolors="face", linewidth=0.3,  # no seams where programs smooth the edges of cells
    )  # fmt: skip
    axes.set_xlim(0, across)
    axes.set_ylim(down, 0)
    axes.grid(visible=False)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("source words")
    axes.set_ylabel("target words")
    for axis, words, angle in ((axes.xaxis, source, 90), (axes.yaxis, target, 0)):
        every = -(-len(words) // MOST_WORDS)
        places = range(0, len(words), every)
        named = [drawable(word, WORD_WIDTH) for word in words[::every]]
        axis.set_ticks([place + 0.5 for place in places], named, rotation=angle)
        axis.set_tick_params(length=0, labelsize=LABEL_SIZE)
    add_colour_bar(figure, axes, mesh)
    return figure


def add_colour_bar(figure: "Figure", axes: "Axes", mesh: "QuadMesh") -> None:
    """Add the scale of the shades right of a heat map, of one size whatever the map's is."""
    box, (width, height) = axes.get_position(), figure.get_size_inches()
    left, tall = box.x1 + BAR_GAP / width, BAR_HEIGHT / height
    bar = figure.add_axes((left, box.y1 - tall, BAR_WIDTH / width, tall))
    scale = figure.colorbar(mesh, cax=bar, ticks=[0, 0.25, 0.5, 0.75, 1])
    scale.ax.tick_params(labelsize=LABEL_SIZE)
    scale.ax.grid(visible=False)
    scale.set_label("attention weight")
