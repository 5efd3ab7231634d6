"""The notebook runs, with less text and a shorter training, and the page is what it shows."""

from pathlib import Path

import notebook
import pytest


def test_the_page_is_the_notebook() -> None:
    assert notebook.page(notebook.read()) == notebook.PAGE.read_text("utf-8"), (
        "run `python tests/docs/notebook.py`, and commit both"
    )


def test_its_cells_run(fast_s2s: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = notebook.read()
    printed = notebook.execute(shown, {"PAIRS": 100, "EPOCHS": 1})
    assert [bool(text) for text in printed] == [bool(text) for text in notebook.outputs(shown)]
    assert printed[-1] == "True\n"  # the commands translate as the object does
