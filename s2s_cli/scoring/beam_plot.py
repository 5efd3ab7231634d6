"""The picture of a beam search: steps across, ranks in the beam down, a line for each extension."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, assert_never

from s2s_cli.errors import UserError
from s2s_cli.scoring.beam_tree import BeamNode, Fate, result_places, words_of
from s2s_cli.scoring.plots import COLOURS, GREY, INK, canvas, drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Of one picture.
MOST_STEPS = 60
MOST_RANKS = 30
# In inches.
ROW = 0.46
LEFT_MARGIN = 0.5  # of the ranks, left
COLUMN_GAP = 0.42  # between the words of two steps, for lines
LEAST_COLUMN = 0.45
RESULT_LINE = 0.2
WORD_LENGTH = 22  # characters
MOST_RESULTS = 10
WORD_SIZE, NUMBER_SIZE = 9.0, 6.5  # of text, in 1/72 inch
BEST, PALE, FILL = COLOURS[0], "#c4c4c4", "#e4e4e4"
WIDE = 7.5  # from where the key is one line
MEANING: dict[Fate, str] = {
    "kept": "extended in the next beam",
    "dropped": "dropped: no extension is in the next beam",
    "unfinished": "unfinished when the search stopped",
    "ended": "ended",
}
CENTRED: dict[str, Any] = {"horizontalalignment": "center", "verticalalignment": "center"}


def check_tree_size(nodes: Sequence[BeamNode]) -> None:
    """Refuse a search that is too large to be read as a picture.

    Raises:
        UserError: says what to do instead.
    """
    steps, ranks = max(each.step for each in nodes), max(each.rank for each in nodes)
    if steps > MOST_STEPS or ranks > MOST_RANKS:
        raise UserError(
            f"the search took {steps} steps with up to {ranks} hypotheses, but a picture holds "
            f"{MOST_STEPS} steps of {MOST_RANKS}; choose a shorter --line or a smaller --beam, or "
            "write the tree with --output NAME.txt or NAME.tsv"
        )


@dataclass(frozen=True)
class StepColumns:
    """Places of the steps of a search, in inches from the left: their middle, and half widths."""

    middle: list[float]
    half: list[float]

    @property
    def right(self) -> float:
        return self.middle[-1] + self.half[-1]


def plot_beam(source: Sequence[str], nodes: Sequence[BeamNode]) -> "Figure":
    """Draw a search; step 0 is the start.

    The best result is drawn thick. Hypotheses that were dropped are grey, their lines are dashed.

    Args:
        source: the words that are translated.
        nodes: those of a step together, best first.
    """
    ranks = max(each.rank for each in nodes)
    listed = result_places(nodes)[:MOST_RESULTS]
    figure, axes = canvas(1.0, 1.0)
    columns = make_columns(figure, nodes)
    below = 0.75 + RESULT_LINE * (len(listed) + 1)
    width, height = columns.right + 0.2, ranks * ROW + below + 0.3
    figure.set_size_inches(width, height)
    axes.set_position((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, width), ylim=(ranks * ROW + below, -0.3))
    axes.axis("off")
    draw_scales(axes, columns, ranks)
    on_best = set(path(nodes, listed[0])) if listed else set()
    for place in range(len(nodes)):
        draw_extension(axes, columns, nodes, place, best=place in on_best)
    for place, each in enumerate(nodes):
        draw_node(axes, columns, each, best=place in on_best)
    axes.text(
        columns.middle[0], 0.5 * ROW, "start", fontsize=WORD_SIZE, color=INK, **CENTRED, zorder=3
    )
    draw_results(axes, source, nodes, listed, ranks * ROW + 0.3)
    draw_key(axes, nodes, ranks * ROW + below - 0.3)
    return figure


def path(nodes: Sequence[BeamNode], place: int | None) -> list[int]:
    """The places of a hypothesis and of all that it extends."""
    found = []
    while place is not None:
        found.append(place)
        place = nodes[place].parent
    return found


def label(node: BeamNode) -> str:
    """The word of a node as it is drawn, with its rank where it is a result."""
    word = drawable(node.word, WORD_LENGTH)
    return word if node.result is None else f"{word} #{node.result}"


def make_columns(figure: "Figure", nodes: Sequence[BeamNode]) -> StepColumns:
    """A column for the start and for each step, as wide as its longest word."""
    widths = [0.0] * (1 + max(each.step for each in nodes))
    widths[0] = text_width(figure, "start")
    for each in nodes:
        widths[each.step] = max(widths[each.step], text_width(figure, label(each)))
    columns = StepColumns([], [])
    left = LEFT_MARGIN
    for width in widths:
        half = max(LEAST_COLUMN, width + 0.12) / 2
        columns.middle.append(left + half)
        columns.half.append(half)
        left += 2 * half + COLUMN_GAP
    return columns


def text_width(figure: "Figure", text: str) -> float:
    """The width of a word in inches."""
    drawn = figure.text(0, 0, text, fontsize=WORD_SIZE)
    width = float(drawn.get_window_extent().width) / figure.dpi
    drawn.remove()
    return width


def draw_scales(axes: "Axes", columns: StepColumns, ranks: int) -> None:
    """Write the numbers of steps above and of ranks to the left."""
    for step, middle in enumerate(columns.middle[1:], 1):
        axes.text(middle, -0.15, str(step), fontsize=NUMBER_SIZE + 1, color=GREY, **CENTRED)
    for rank in range(1, ranks + 1):
        axes.text(
            LEFT_MARGIN - 0.2, (rank - 0.5) * ROW, str(rank), fontsize=NUMBER_SIZE + 1, color=GREY,
            **CENTRED,
        )  # fmt: skip
    axes.text(columns.middle[0], -0.15, "step", color=INK, fontsize=WORD_SIZE, **CENTRED)
    axes.text(
        0.08, ranks * ROW / 2, "rank in the beam", color=INK, fontsize=WORD_SIZE, rotation=90,
        **CENTRED,
    )  # fmt: skip


def line_to(fate: Fate, *, best: bool) -> dict[str, Any]:
    """The style of the line to a node."""
    if best:
        return {"color": BEST, "linewidth": 2.4, "zorder": 2}
    match fate:
        case "kept" | "ended":
            return {"color": GREY, "linewidth": 1.0, "zorder": 1}
        case "dropped":
            return {"color": PALE, "linewidth": 1.0, "linestyle": (0, (3, 2)), "zorder": 0}
        case "unfinished":
            return {"color": GREY, "linewidth": 1.0, "linestyle": (0, (1, 1.5)), "zorder": 1}
        case _:
            assert_never(fate)


def draw_extension(
    axes: "Axes", columns: StepColumns, nodes: Sequence[BeamNode], place: int, *, best: bool
) -> None:
    """Draw the line from the parent of a node to it."""
    node = nodes[place]
    rank = 1 if node.parent is None else nodes[node.parent].rank
    before = node.step - 1
    across = [
        columns.middle[before] + columns.half[before],
        columns.middle[node.step] - columns.half[node.step],
    ]
    down = [(rank - 0.5) * ROW, (node.rank - 0.5) * ROW]
    axes.plot(across, down, **line_to(node.fate, best=best))


def draw_node(axes: "Axes", columns: StepColumns, node: BeamNode, *, best: bool) -> None:
    """Write the word of a node in its frame, and its log probability below."""
    from matplotlib.patches import Rectangle

    x, y, half = columns.middle[node.step], (node.rank - 0.5) * ROW, columns.half[node.step]
    gone = node.fate == "dropped"
    frame = Rectangle(
        (x - half, y - 0.38 * ROW), 2 * half, 0.76 * ROW, zorder=2,
        facecolor=FILL if node.fate == "ended" else "white",
        edgecolor=BEST if best else PALE if gone else GREY,
        linewidth=1.8 if best else 0.8,
        linestyle=line_to(node.fate, best=best).get("linestyle", "solid"),
    )  # fmt: skip
    axes.add_patch(frame)
    colour = GREY if gone else INK
    axes.text(x, y - 0.11 * ROW, label(node), fontsize=WORD_SIZE, color=colour, **CENTRED, zorder=3)
    axes.text(
        x, y + 0.22 * ROW, f"{node.log_probs[0]:.2f}", fontsize=NUMBER_SIZE, color=colour,
        **CENTRED, zorder=3,
    )  # fmt: skip


def draw_results(
    axes: "Axes",
    source: Sequence[str],
    nodes: Sequence[BeamNode],
    listed: Sequence[int],
    top: float,
) -> None:
    """Write the source, and under it the results with their scores."""
    lines = ["source: " + " ".join(source)]
    for place in listed:
        words = " ".join(words_of(nodes, place)[:-1])
        lines.append(f"#{nodes[place].result}  {nodes[place].score:.2f}  {words}")
    for number, line in enumerate(lines):
        axes.text(
            LEFT_MARGIN, top + RESULT_LINE * number, drawable(line, 160), fontsize=WORD_SIZE,
            color=INK, verticalalignment="center",
        )  # fmt: skip


def draw_key(axes: "Axes", nodes: Sequence[BeamNode], top: float) -> None:
    """Explain the lines and frames that there are."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    key: dict[str, Any] = {}
    if any(each.result is not None for each in nodes):
        key["best result"] = Line2D([], [], **line_to("kept", best=True))
    fates = {each.fate for each in nodes}
    for fate, meaning in MEANING.items():
        if fate in fates and fate != "ended":
            key[meaning] = Line2D([], [], **line_to(fate, best=False))
    if "ended" in fates:
        key[MEANING["ended"]] = Patch(facecolor=FILL, edgecolor=GREY, linewidth=0.8)
    axes.legend(
        key.values(), key.keys(), loc="upper left", bbox_to_anchor=(LEFT_MARGIN, top),
        bbox_transform=axes.transData, ncols=len(key) if axes.get_xlim()[1] > WIDE else 1,
        fontsize=NUMBER_SIZE + 1.5, handlelength=2.6, borderaxespad=0, borderpad=0,
    )  # fmt: skip
