"""The comparison of README.md: from the pages of the recipes, and up to date."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAD = "| | BLEU (tokenised) | BLEU in the paper |\n| --- | ---: | ---: |\n"
PAGES = {
    "multi30k_en_fr": f"""\
## Table 1: direct translation

{HEAD}| Baseline system (SMT) | 57.79 [56.11, 59.39] | 33.30 |
| Single forward LSTM, beam size 12 | 22.96 | 26.17 |
| Ensemble of 5 reversed LSTMs, beam size 12 | 29.81 | 34.81 |
| Ensemble of 5 reversed LSTMs, beam size 1 | 28.10 [26.61, 29.52] | 33.00 |

## Beyond the paper: single reversed models

{HEAD}| Attention, two encoders, pieces of words | 1.00 | |
| Attention, two encoders | 58.91 | |
""",
    "tatoeba_en_fr": f"## Table 1: direct\n\n{HEAD}| Baseline system (SMT) | not run | 33.30 |\n",
    "canada_laws_en_fr": f"""\
## At a laptop's size: 100,000 pairs

{HEAD}| Single forward LSTM | 41.50 | 26.17 |

## At the paper's size

{HEAD}| Single forward LSTM | 7.00 | 26.17 |
""",
}


def compare(folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(folder / "recipes/compare.py")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "recipes").mkdir()
    for name in ("compare.py", "pages.py"):
        shutil.copy(ROOT / "recipes" / name, tmp_path / "recipes")
    for name, page in PAGES.items():
        (tmp_path / f"recipes/{name}").mkdir()
        (tmp_path / f"recipes/{name}/RESULTS.md").write_text(page)
    marks = "before\n<!-- by recipes/compare.py -->\nold\n<!-- end -->\nafter\n"
    (tmp_path / "README.md").write_text(marks)
    return tmp_path


def test_each_row_has_the_figures_of_its_pages(folder: Path) -> None:
    assert compare(folder).returncode == 0
    text = (folder / "README.md").read_text()
    assert text.startswith("before\n<!--")
    assert text.endswith("<!-- end -->\nafter\n")
    assert "old" not in text
    lines = [line for line in text.split("\n") if line.startswith("| ")]
    rows = {
        cells[0]: cells[1:] for cells in ([c.strip() for c in x.split("|")[1:-1]] for x in lines)
    }
    assert rows[""] == ["paper", "Multi30k", "Tatoeba", "laws"]
    assert rows["phrase-based system"] == ["33.30", "57.79", "not run", ""]
    assert rows["one forward LSTM, beam 12"] == ["26.17", "22.96", "", "41.50"]
    assert rows["5 reversed LSTMs, beam 1"] == ["33.00", "28.10", "", ""]
    assert rows["one LSTM with attention"] == ["", "58.91", "", ""]
    assert compare(folder).returncode == 0
    assert (folder / "README.md").read_text() == text


def test_a_readme_without_its_marks_is_refused(folder: Path) -> None:
    (folder / "README.md").write_text("no mark\n")
    done = compare(folder)
    assert done.returncode == 1
    assert "README.md: it lacks the lines <!-- by recipes/compare.py -->" in done.stderr
    assert (folder / "README.md").read_text() == "no mark\n"


def test_the_table_of_the_readme_is_that_of_the_pages(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    shutil.copy(ROOT / "README.md", readme)
    subprocess.run([sys.executable, str(ROOT / "recipes/compare.py"), str(readme)], check=True)
    same = readme.read_text() == (ROOT / "README.md").read_text()
    assert same, "run python3 recipes/compare.py"
