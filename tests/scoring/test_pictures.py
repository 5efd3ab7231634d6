"""Pictures: the same bytes each time, small, with their data beside them."""

import math
import re
import sys
import warnings
from collections.abc import Callable
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from s2s_cli.errors import UserError
from s2s_cli.scoring.breakdowns import Bin, BinScore
from s2s_cli.scoring.curves import LearningCurve, MetricsEntry
from s2s_cli.scoring.metrics import Score
from s2s_cli.scoring.model_plots import WORD_WIDTH, plot_attention, plot_states
from s2s_cli.scoring.pictures import PICTURES, check_output, house_style, write_figure
from s2s_cli.scoring.plots import MOST_POINTS, drawable, plot_breakdown, plot_curves
from s2s_cli.scoring.tables import Table

TABLE = Table(["a"], [["1"]])


def points(low: float | None = None) -> list[BinScore]:
    bins = [Bin([0, 1], 1, 4, 2.5), Bin([2], 5, 5, 5), Bin([3, 4, 5], 6, 20, 9)]
    return [
        BinScore(
            name,
            each,
            Score("BLEU (tokenised)", value, "", low, None if low is None else value + 5),
        )
        for name, values in (("one $x$", (30.0, 25.0, 20.0)), ("two", (31.0, 26.0, 19.0)))
        for each, value in zip(bins, values, strict=True)
    ]


def curves(steps: int) -> list[LearningCurve]:
    entries = [
        MetricsEntry(step, step / 100, 5 + 900 / step, None, 0.7 if step < 500 else 0.35)
        for step in range(1, steps)
    ]
    entries.append(MetricsEntry(steps, steps / 100, None, 6.0, None))
    return [LearningCurve("_$mo$del", entries)]


FIGURES = {
    "lengths": partial(plot_breakdown, points(), "words", edges=False),
    "rarity": partial(plot_breakdown, points(10.0), "rank", edges=True),
    "states": partial(
        plot_states, [[("A_b $c$", 0.0, 1.0), ("d", 2.0, 1.0)], [("e", 1.0, 0.0)]], (0.7, 0.3)
    ),
    "attention": partial(plot_attention, ["a", "$x$", "</a>"], ["l’_"], [[0.1, 0.2, 0.7]]),
    "long attention": partial(plot_attention, ["a"] * 90, ["b"] * 60, [[1 / 90] * 90] * 60),
    "curves": partial(plot_curves, curves(1000)),
    "curves with BLEU": partial(
        plot_curves,
        [LearningCurve("m", [*curves(9)[0].entries, MetricsEntry(9, 0.09, None, 6.0, None, 31.0)])],
    ),
    "curves without validation": partial(
        plot_curves, [LearningCurve("m", curves(3)[0].entries[:2])]
    ),
}


def drawn_texts(svg: Path) -> set[str]:
    """The texts of a picture, as a program that searches it finds them."""
    root = ElementTree.parse(svg).getroot()
    return {each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}text")}


@pytest.mark.parametrize("name", FIGURES)
def test_the_same_data_give_the_same_svg_whatever_the_users_settings(
    name: str, tmp_path: Path
) -> None:
    import matplotlib

    first, second = tmp_path / "first.svg", tmp_path / "second.svg"
    write_figure(first, TABLE, FIGURES[name])
    with matplotlib.rc_context({"font.size": 31, "svg.hashsalt": None, "axes.grid": False}):
        write_figure(second, TABLE, FIGURES[name])
    text = first.read_text("utf-8")
    assert second.read_text("utf-8") == text
    assert not re.search(r"<dc:date>|<dc:creator>|20[0-9][0-9]-", text)
    assert len(text) < 80_000


def test_what_is_drawn_is_written_beside_it_in_words(tmp_path: Path) -> None:
    for name, words in {
        "lengths": ["one $x$", "two", "1–4", "(2)", "5", "6–20", "words", "BLEU (tokenised)"],
        "rarity": ["1", "4", "6", "20", "rank"],  # the middle of 4 and 5, rounded to even
        "states": ["A_b $c$", "d", "e", "first principal component (70% of the variance)", "group"],
        "attention": ["a", "$x$", "</a>", "l’_", "source words", "target words", "1.00"],
        "curves": [
            "_$mo$del",
            "learning rate lowered",
            "epochs",
            "perplexity per word (log scale)",
        ],
    }.items():
        write_figure(tmp_path / "a.svg", TABLE, FIGURES[name])
        assert set(words) <= drawn_texts(tmp_path / "a.svg"), name


def test_a_long_training_is_no_longer_to_draw() -> None:
    for line in plot_curves(curves(50_000)).axes[0].get_lines():
        heights: Any = line.get_ydata()
        assert len(heights) <= MOST_POINTS
        assert all(map(math.isfinite, heights))


def test_a_png_is_one_and_the_data_lie_beside_it(tmp_path: Path) -> None:
    written = write_figure(tmp_path / "new" / "a.png", TABLE, FIGURES["states"])
    assert written == [tmp_path / "new" / "a.png", tmp_path / "new" / "a.tsv"]
    assert written[0].read_bytes().startswith(b"\x89PNG\r\n")
    assert written[1].read_bytes() == b"a\n1\n"


@pytest.mark.parametrize("suffix", PICTURES)
def test_the_same_data_give_the_same_bytes_in_every_format(suffix: str, tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for path in paths:
        write_figure(path, TABLE, FIGURES["rarity"])
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    if suffix == ".pdf":
        assert first.startswith(b"%PDF") and not re.search(rb"Date|matplotlib|/Type3", first)


@pytest.mark.parametrize("suffix", PICTURES)
def test_characters_that_no_font_has_are_warned_of_once(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = partial(plot_attention, ["\U0010abcd\U0010abce", "chat"], ["\U0010abcf"], [[0.5, 0.5]])
    write_figure(tmp_path / f"a{suffix}", TABLE, draw)
    said = capsys.readouterr().err
    assert said.startswith("warning: no font here has '") and said.count("\n") == 1
    assert ("boxes are drawn" in said) == (suffix != ".svg")
    write_figure(tmp_path / f"a{suffix}", TABLE, partial(plot_attention, ["é"], ["œ"], [[1.0]]))
    assert not capsys.readouterr().err


def test_lines_are_told_apart_without_colour() -> None:
    names = "abcdefg"
    line = [BinScore(name, each.bin, each.score) for name in names for each in points()[:3]]
    looks = {
        (each.get_marker(), each.get_linestyle(), str(each.get_color()))
        for each in plot_breakdown(line, "words", edges=False).axes[0].get_lines()
    }
    assert len({marker for marker, _, _ in looks}) == len(looks) == len(names)


def test_a_smoothed_score_is_hollow_and_explained(tmp_path: Path) -> None:
    line = points()[:3]
    line[1] = BinScore(line[1].system, line[1].bin, line[1].score, smoothed=True)
    write_figure(tmp_path / "a.svg", TABLE, partial(plot_breakdown, line, "words", edges=False))
    assert any(each.startswith("hollow: ") for each in drawn_texts(tmp_path / "a.svg"))
    (axes,) = plot_breakdown(line, "words", edges=False).axes
    assert [each.get_xdata()[0] for each in axes.get_lines()  # type: ignore[index]
            if each.get_markerfacecolor() == "white"] == [1]  # fmt: skip


def test_groups_have_a_legend_by_their_names(tmp_path: Path) -> None:
    groups = [[("a", 0.0, 0.0)], [("b", 1.0, 1.0)]]
    for names, shown in ((["word order", "who does what"],) * 2, ([], ["1", "2"])):
        write_figure(tmp_path / "a.svg", TABLE, partial(plot_states, groups, (1.0, 0.0), names))
        assert {"group", *shown} <= drawn_texts(tmp_path / "a.svg")
    write_figure(tmp_path / "a.svg", TABLE, partial(plot_states, groups[:1], (1.0, 0.0)))
    assert "group" not in drawn_texts(tmp_path / "a.svg")


def test_long_names_are_folded_and_long_words_cut(tmp_path: Path) -> None:
    name = "a baseline of many words " * 9
    line = [BinScore(name, each.bin, each.score) for each in points()[:3]]
    write_figure(tmp_path / "a.svg", TABLE, partial(plot_breakdown, line, "words", edges=False))
    texts = [each for each in drawn_texts(tmp_path / "a.svg") if "baseline" in each]
    assert 1 < len(texts) <= 3 and max(map(len, texts)) < 30
    write_figure(tmp_path / "a.svg", TABLE, partial(plot_attention, ["x" * 99], ["y"], [[1.0]]))
    assert not [each for each in drawn_texts(tmp_path / "a.svg") if len(each) > 30]


HOSTILE = ["\x01\x00\x1b[31m a\tb\nc\r \ufffe\uffff --> ]]>&< \udcff", "x" * 9999]


def hostile_figures(text: str) -> dict[str, Callable[[], Any]]:
    """Every picture, with ``text`` wherever the user's text goes."""
    line = [BinScore(text, each.bin, each.score) for each in points()[:3]]
    (curve,) = curves(3)
    return {
        "breakdown": partial(plot_breakdown, line, "words", edges=False),
        "states": partial(plot_states, [[(text, 0.0, 1.0), ("b", 1.0, 2.0)]], (0.7, 0.3)),
        "attention": partial(plot_attention, [text], [text], [[1.0]]),
        "curves": partial(plot_curves, [LearningCurve(text, curve.entries)]),
    }


def test_only_lists_of_fonts_are_shortened_in_an_svg(tmp_path: Path) -> None:
    text = "<text style=\"font-family: 'x'"
    write_figure(tmp_path / "a.svg", TABLE, partial(plot_attention, [text], ["b"], [[1.0]]))
    assert drawn_texts(tmp_path / "a.svg") >= {drawable(text, WORD_WIDTH)}
    lists = re.findall(r"font-family: ([^;\"]*);", (tmp_path / "a.svg").read_text("utf-8"))
    assert set(lists) == {"'DejaVu Sans', Verdana, sans-serif"}


def test_any_text_gives_a_picture_that_programs_can_read(tmp_path: Path) -> None:
    for text in HOSTILE:
        for name, draw in hostile_figures(text).items():
            write_figure(tmp_path / "a.svg", Table([text], [[text]]), draw)
            width = float(ElementTree.parse(tmp_path / "a.svg").getroot().attrib["width"][:-2])
            assert width < 2000, (name, text[:9])
            assert (tmp_path / "a.tsv").read_bytes().count(b"\n") == 2


def test_curves_of_any_numbers_can_be_drawn() -> None:
    numbers = [1.0, 1e15, 1e100, math.exp(700), 0.5]
    entries = [MetricsEntry(0, epoch, one, two, 0.1)
               for epoch in (0.0, 1e15) for one in numbers for two in numbers]  # fmt: skip
    none = MetricsEntry(0, 0.0, None, None, None)
    for chosen in ([none], entries[:1], entries[2:3], entries):
        with warnings.catch_warnings(action="error"):
            figure = plot_curves([LearningCurve("m", chosen)])
            figure.draw_without_rendering()
        assert all(map(math.isfinite, (*figure.axes[0].get_ylim(), *figure.axes[0].get_xlim())))
        assert len(figure.axes[0].get_yticks()) < 50


@pytest.mark.parametrize("edges", [False, True])
def test_labels_do_not_cover_each_other(edges: bool) -> None:
    """Lines that end at 0 beside the labels of wide bins below the axis."""
    for names, width in ((["out.fr", "ensemble.fr"], 1), (["a", "b", "c", "d"], 12345)):
        bins = [Bin([0], width * at, width * (at + 1) - 1, 0) for at in range(100, 110)]
        line = [
            BinScore(name, each, Score("BLEU", 9.0 * (each is not bins[-1]), ""))
            for name in names
            for each in bins
        ]
        with house_style():
            figure = plot_breakdown(line, "rank", edges=edges)
            figure.draw_without_rendering()
        (axes,) = figure.axes
        texts = [*axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label]
        boxes = [each.get_window_extent() for each in texts if each.get_text()]
        assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]
        assert not any(each.get_clip_on() for each in axes.get_lines()), "points at 0 are whole"


def test_the_data_alone_need_no_picture(tmp_path: Path) -> None:
    def never() -> Any:
        raise AssertionError

    assert write_figure(tmp_path / "a.tsv", TABLE, never) == [tmp_path / "a.tsv"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.tsv"]


def test_a_picture_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fails() -> Any:
        raise MemoryError

    with pytest.raises(MemoryError):
        write_figure(tmp_path / "a.svg", TABLE, fails)
    assert not list(tmp_path.iterdir())


def test_what_output_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.svg", "a.PNG", "a.pdf", "a.tsv"):
        check_output(Path(name))
    for name in ("a.jpg", "a", "-", ".svg", "a.svg.gz"):
        with pytest.raises(UserError, match=r"\.svg, \.png, \.pdf .* \.tsv") as caught:
            check_output(Path(name))
        assert caught.value.exit_code == 2
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    check_output(Path("a.tsv"))
    with pytest.raises(UserError, match=r"pip install .*\[plot\]'") as caught:
        check_output(Path("a.svg"))
    assert caught.value.exit_code == 1
