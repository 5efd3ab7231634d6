"""The tree of hypotheses of a beam search, in words: as a table and as text."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

from s2s_cli.scoring.tables import Table

# kept: its extensions are in the next beam. dropped: none of them is. ended: it took <EOS>.
# unfinished: nothing in the beam could become better any more, so the search stopped.
Fate = Literal["kept", "dropped", "ended", "unfinished"]


@dataclass(frozen=True)
class BeamNode:
    """A hypothesis in a beam.

    Attributes:
        step: from 1, the number of its words.
        rank: in the beam of the step, from 1 for the best.
        parent: place of what it extends in the list of all nodes; None: the start.
        word: its last one.
        log_probs: natural, its own and those under each member of an ensemble.
        fate: what became of it.
        result: its rank among the results of the search, from 1; None: it is none of them.
        score: of a result, what it is ranked by.
    """

    step: int
    rank: int
    parent: int | None
    word: str
    log_probs: tuple[float, ...]
    fate: Fate
    result: int | None = None
    score: float | None = None


def words_of(nodes: Sequence[BeamNode], place: int | None) -> list[str]:
    """The words of a hypothesis."""
    words: list[str] = []
    while place is not None:
        words.append(nodes[place].word)
        place = nodes[place].parent
    return words[::-1]


def result_places(nodes: Sequence[BeamNode]) -> list[int]:
    """The places of the results of the search, best first."""
    ranked = [(each.result, at) for at, each in enumerate(nodes) if each.result is not None]
    return [at for _, at in sorted(ranked)]


def tree_table(nodes: Sequence[BeamNode]) -> Table:
    """A row for each hypothesis, of which there is one at least.

    ``parent`` is the rank of its parent in the step before. Columns for members of an ensemble are
    numbered as its features in an n-best list.
    """
    count = len(nodes[0].log_probs) - 1
    members = range(count if count > 1 else 0)
    names = "step rank parent word word_log_prob log_prob fate result score"
    rows = []
    for each in nodes:
        parent = None if each.parent is None else nodes[each.parent]
        before = parent.log_probs[0] if parent else 0.0
        rows.append(
            [
                str(each.step), str(each.rank), str(parent.rank) if parent else "", each.word,
                f"{each.log_probs[0] - before:.6f}", f"{each.log_probs[0]:.6f}", each.fate,
                "" if each.result is None else str(each.result),
                "" if each.score is None else f"{each.score:.6f}",
                *(f"{each.log_probs[1 + member]:.6f}" for member in members),
            ]
        )  # fmt: skip
    return Table([*names.split(), *(f"log_prob_{member}" for member in members)], rows)


def tree_text(nodes: Sequence[BeamNode]) -> Iterator[str]:
    """The tree as lines of text, the log probability first; words that do not fork share a line."""
    children: defaultdict[int | None, list[int]] = defaultdict(list)
    for place, each in enumerate(nodes):
        children[each.parent].append(place)
    # Of a place that is still to be written, the marks of its own line and of those below it.
    waiting = [(place, "", "") for place in reversed(children[None])]
    while waiting:
        place, mark, indent = waiting.pop()
        words = [nodes[place].word]
        while len(children[place]) == 1:
            (place,) = children[place]
            words.append(nodes[place].word)
        node = nodes[place]
        line = f"{node.log_probs[0]:9.3f}  {mark}{' '.join(words)}"
        yield f"{line}  {remark(node)}".rstrip()
        below = children[place]
        last = below[-1] if below else None
        for child in reversed(below):
            marks = ("└─ ", "   ") if child == last else ("├─ ", "│  ")
            waiting.append((child, indent + marks[0], indent + marks[1]))
    yield ""
    for place in result_places(nodes):
        node = nodes[place]
        yield f"{node.result}. {node.score:.3f}  {' '.join(words_of(nodes, place)[:-1])}"


def remark(node: BeamNode) -> str:
    """Say why the line of a node ends."""
    match node.fate:
        case "kept":
            return ""
        case "dropped":
            return f"(dropped after step {node.step})"
        case "ended":
            return "" if node.result is None else f"(result {node.result})"
        case "unfinished":
            return "(unfinished)"
        case _:
            assert_never(node.fate)
