"""The toy of the addition recipe, smaller: what is learned, and what helps."""

import subprocess
import sys
from pathlib import Path

import pytest
from odd_models import s2s_here

PROBLEMS = Path(__file__).parents[2] / "recipes/addition/problems.py"
SIZES = ["--train", "2000", "--valid", "20", "--test", "300", "--below", "50"]
LANGUAGES = ["--source-language", "sum", "--target-language", "total", "--tokenised"]
TRAINING = [
    *("--layers", "1", "--hidden-size", "64", "--embedding-size", "16", "--batch-size", "64"),
    *("--optimiser", "adam", "--learning-rate", "0.01", "--halve-after", "18", "--epochs", "24"),
    *("--halve-every", "2", "--validate-every", "100000", "--threads", "1", "--device", "cpu"),
]

DECODING = ["decode", "--beam", "1", "--input", "corpus/test.sum"]


@pytest.fixture(autouse=True)
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    subprocess.run([sys.executable, PROBLEMS, "corpus", *SIZES], check=True)


def lines(path: str) -> list[str]:
    return Path(path).read_text("utf-8").splitlines()


def solved(name: str, prepared: list[str], options: list[str]) -> float:
    """The share of held-out problems that a system solves."""
    for command in (
        ["prep", "--output", name, *LANGUAGES, *prepared],
        ["vocab", "--data", name],
        ["train", "--data", name, "--model", f"{name}/model", *TRAINING, *options],
        [*DECODING, "--model", f"{name}/model", "--output", f"{name}/solved"],
    ):
        done = s2s_here(*command)
        assert done.code == 0, done.told
    pairs = zip(lines(f"{name}/solved"), lines("corpus/test.total"), strict=True)
    return sum(one == two for one, two in pairs) / 300


def test_reversed_and_peeky_learns_to_add_and_plain_does_not_so_soon() -> None:
    best = solved("both", ["--reverse-source"], ["--peeky"])
    assert best > 0.85
    assert solved("plain", [], []) < best - 0.1


def test_no_problem_is_there_twice_and_every_total_is_right() -> None:
    both = [
        (line.replace(" ", ""), total.replace(" ", ""))
        for split in ("train", "valid", "test")
        for line, total in zip(
            lines(f"corpus/{split}.sum"), lines(f"corpus/{split}.total"), strict=True
        )
    ]
    assert len(both) == len(set(both)) == 2320
    assert all(sum(map(int, line.split("+"))) == int(total) for line, total in both)
