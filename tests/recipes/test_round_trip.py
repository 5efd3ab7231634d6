"""The recipe that measures the round trip from running text to words and back."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "recipes" / "round_trip.py"


def test_differences_are_counted_by_their_kind(tmp_path: Path) -> None:
    text = tmp_path / "text.fr"
    text.write_text("L'été est là .\nElle dort .\nQui ?\n", "utf-8")
    run = subprocess.run(
        [sys.executable, SCRIPT, text], capture_output=True, text=True, check=True, timeout=120
    )
    first, *kinds = run.stdout.splitlines()
    assert first.startswith(f"{text}: 3 lines, 33.33% the same, BLEU ")
    assert kinds == ["      2  a[ ]. became []"]


def test_joiners_lose_nothing(tmp_path: Path) -> None:
    text = tmp_path / "text.fr"
    text.write_text("L'été est là .\nElle dort.\n", "utf-8")
    command = [sys.executable, str(SCRIPT), "--tokeniser", "joiner", str(text)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert run.stdout == f"{text}: 2 lines, 100.00% the same, BLEU 100.00\n"
