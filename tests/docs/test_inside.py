"""The pages on the inside and for teachers name and show what is in the project."""

import re
from pathlib import Path

from doc_pages import PAGES, ROOT
from drawing import PICTURE, draw
from test_architecture import LEVELS

PACKAGE = ROOT / "s2s_cli"


def test_the_packages_are_drawn_on_their_levels() -> None:
    assert draw(LEVELS) == PICTURE.read_text("utf-8"), (
        "the packages changed: run `python tests/docs/drawing.py`"
    )


def test_names_are_defined_where_the_page_says() -> None:
    found = re.findall(r"((?:`[\w.]+`, )*`[\w.]+`) in `([\w/]+\.py)`", PAGES["inside"])
    assert len(found) > 20
    for names, path in found:
        code = (PACKAGE / path).read_text("utf-8")
        for part in re.findall(r"\w+", names):
            assert re.search(rf"^ *(?:def|class) {part}\b", code, re.M), f"{part} in {path}"


def test_the_picture_for_teachers_is_that_of_the_recipe() -> None:
    name = Path("figures") / "accuracy.svg"
    assert (ROOT / "docs" / name).read_bytes() == (
        ROOT / "recipes" / "addition" / name
    ).read_bytes()
