"""Text is text, wherever it is put in a page."""

from functools import partial
from html.parser import HTMLParser

import pytest

from s2s_cli.report.figures import inline_svg
from s2s_cli.report.html import Html, element, fragment, raw_element
from s2s_cli.scoring.breakdowns import Bin, BinScore
from s2s_cli.scoring.metrics import Score
from s2s_cli.scoring.plots import plot_breakdown

HOSTILE = "<script>alert(1)</script> ]]> --> \"' &amp; </style>"


def test_text_is_escaped_and_markup_is_not() -> None:
    made = element("p", HOSTILE, element("b", "x"), title=HOSTILE, hidden=True, lang=None)
    read = Reader()
    read.feed(made)
    attributes = {"title": HOSTILE, "hidden": None}
    assert read.found == [("p", attributes), HOSTILE, ("b", {}), "x", "/b", "/p"]


class Reader(HTMLParser):
    """Collects tags and text."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[object] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.found.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        if isinstance(self.found[-1], str) and not self.found[-1].startswith("/"):
            data = str(self.found.pop()) + data
        self.found.append(data)


def test_markup_that_was_formatted_is_text_again() -> None:
    bold = element("b", "x")
    assert fragment([f"{bold}"]) == "&lt;b&gt;x&lt;/b&gt;"
    assert fragment([bold + "<"]) == "&lt;b&gt;x&lt;/b&gt;&lt;"
    assert isinstance(fragment([bold, "<"]), Html) and fragment([bold, "<"]) == "<b>x</b>&lt;"


def test_what_is_no_text_has_a_sign() -> None:
    assert element("p", "a\x00\x1b\udcff\tb") == "<p>a\ufffd\ufffd\ufffd b</p>"


def test_a_script_cannot_end_its_element() -> None:
    assert raw_element("script", "1 < 2") == "<script>1 < 2</script>"
    for content in ("'</script>'", "<!--"):
        with pytest.raises(ValueError):
            raw_element("script", content)


def test_figures_are_searchable_and_do_not_share_ids() -> None:
    bins = [Bin([0], 1, 4, 2.5), Bin([1], 5, 9, 7)]
    points = [
        BinScore(HOSTILE, each, Score("BLEU", value, "", value - 1, value + 1))
        for each, value in zip(bins, (30.0, 20.0), strict=True)
    ]
    draw = partial(plot_breakdown, points, "words & <more>", edges=False)
    one, other = (inline_svg(name, "A figure", draw) for name in ("one", "other"))
    assert one != other and one.replace('"one-', '"other-').replace("#one-", "#other-") == other
    reader = Reader()
    reader.feed(one)
    assert {"words & <more>", "1–4"} <= {each for each in reader.found if isinstance(each, str)}
    tags = [each for each in reader.found if isinstance(each, tuple)]
    assert tags[0][1]["aria-label"] == "A figure"
    # Styles are attributes, which the page's policy allows, and nothing holds for the whole page.
    assert not any("style" in attributes for _, attributes in tags)
    assert not {"style", "script", "metadata", "image"} & {name for name, _ in tags}
    assert "#ffffff" not in one and "var(--paper)" in one
