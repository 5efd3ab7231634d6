"""A beam search as a table, as text and as a picture."""

import itertools
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import pytest

from s2s_cli.errors import UserError
from s2s_cli.scoring.beam_plot import MOST_RANKS, MOST_STEPS, check_tree_size, plot_beam
from s2s_cli.scoring.beam_tree import BeamNode, tree_table, tree_text
from s2s_cli.scoring.pictures import write_figure

NODES = [
    BeamNode(1, 1, None, "le", (-0.5, -0.4, -0.6), "kept"),
    BeamNode(1, 2, None, "un", (-1.0, -1.0, -1.0), "dropped"),
    BeamNode(2, 1, 0, "chat", (-0.75, -0.7, -0.8), "kept"),
    BeamNode(2, 2, 0, "chien", (-2.0, -2.0, -2.0), "kept"),
    BeamNode(3, 1, 2, "<EOS>", (-1.0, -1.0, -1.0), "ended", 1, -0.5),
    BeamNode(3, 2, 3, "noir", (-2.5, -2.5, -2.5), "unfinished"),
]


def test_the_tree_as_text_has_a_line_for_each_branch() -> None:
    assert list(tree_text(NODES)) == [
        "   -0.500  le",
        "   -1.000  ├─ chat <EOS>  (result 1)",
        "   -2.500  └─ chien noir  (unfinished)",
        "   -1.000  un  (dropped after step 1)",
        "",
        "1. -0.500  le chat",
    ]


def test_the_table_adds_up_and_has_the_members_of_an_ensemble() -> None:
    table = tree_table(NODES)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert rows[2] | {"word": "chat", "parent": "1", "log_prob_1": "-0.800000"} == rows[2]
    for row, node in zip(rows, NODES, strict=True):
        before = 0.0 if node.parent is None else NODES[node.parent].log_probs[0]
        assert float(row["word_log_prob"]) + before == pytest.approx(float(row["log_prob"]))
    assert (rows[4]["fate"], rows[4]["result"], rows[4]["score"]) == ("ended", "1", "-0.500000")
    single = [BeamNode(1, 1, None, "a", (-1.0, -1.0), "kept")]
    assert "log_prob_0" not in tree_table(single).columns


def test_the_picture_has_all_words_and_results(tmp_path: Path) -> None:
    draw = partial(plot_beam, ["the", "cat"], NODES)
    write_figure(tmp_path / "a.svg", tree_table(NODES), draw)
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    texts = {each.text for each in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"le", "un", "chat", "chien", "noir", "<EOS> #1", "-0.75", "start"} <= texts
    assert {"source: the cat", "#1  -0.50  le chat", "best result", "ended"} <= texts
    write_figure(tmp_path / "b.svg", tree_table(NODES), draw)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_words_of_a_step_stay_in_their_column() -> None:
    long = [BeamNode(step, 1, step - 2 if step > 1 else None, "w" * 40, (0.0, 0.0), "kept")
            for step in (1, 2, 3)]  # fmt: skip
    figure = plot_beam(["a"], long)
    figure.draw_without_rendering()
    boxes = [each.get_window_extent() for each in figure.axes[0].texts if "ww" in each.get_text()]
    assert len(boxes) == 3
    assert all(one.x1 < two.x0 for one, two in itertools.pairwise(boxes))


@pytest.mark.parametrize(("step", "rank"), [(MOST_STEPS + 1, 1), (1, MOST_RANKS + 1)])
def test_a_search_that_no_picture_holds_is_refused_with_the_way_out(step: int, rank: int) -> None:
    check_tree_size(NODES)
    with pytest.raises(UserError, match=r"--line or a smaller --beam.*\.txt"):
        check_tree_size([BeamNode(step, rank, None, "a", (0.0, 0.0), "kept")])
