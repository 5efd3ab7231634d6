"""The generator of additions, and what is made of a finished training."""

import subprocess
import sys
from pathlib import Path

import pytest

RECIPE = Path(__file__).parents[2] / "recipes/addition"


def run(script: str, *arguments: str | Path, cwd: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(RECIPE / script), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def numbers(path: Path) -> list[list[int]]:
    """The numbers of each line; every character is a word."""
    lines = path.read_text().split("\n")[:-1]
    assert all(len(word) == 1 for line in lines for word in line.split(" "))
    return [[int(each) for each in line.replace(" ", "").split("+")] for line in lines]


def test_no_problem_is_in_two_sets_in_either_order(tmp_path: Path) -> None:
    sizes = {"train": 3_000, "valid": 200, "test": 400}
    done = run("problems.py", "corpus", *(f"--{k}={v}" for k, v in sizes.items()), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    seen: set[tuple[int, ...]] = set()
    for split, size in sizes.items():
        problems = numbers(tmp_path / f"corpus/{split}.problem")
        assert [[sum(each)] for each in problems] == numbers(tmp_path / f"corpus/{split}.sum")
        pairs = {tuple(sorted(each)) for each in problems}
        assert len(pairs) == len(problems) == size
        assert not seen & pairs
        seen |= pairs
        flat = [number for each in problems for number in each]
        assert min(flat) < 10 and 900 < max(flat) < 1_000
        assert any(one > two for one, two in problems) and any(one < two for one, two in problems)


def test_all_problems_there_are_can_be_drawn_and_no_more(tmp_path: Path) -> None:
    few = ["--digits=1", "--valid=5", "--test=10"]
    assert run("problems.py", "all", "--train=40", *few, cwd=tmp_path).returncode == 0
    done = run("problems.py", "more", "--train=41", *few, cwd=tmp_path)
    assert done.returncode == 2
    assert "there are 55 problems" in done.stderr
    assert not (tmp_path / "more").exists()


def test_the_seed_decides_the_problems(tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        options = ["--train=50", "--valid=2", "--test=2", "--seed", seed]
        assert run("problems.py", name, *options, cwd=tmp_path).returncode == 0
    first, same, other = ((tmp_path / name / "train.problem").read_bytes() for name in "abc")
    assert first == same
    assert first != other


@pytest.mark.parametrize("picture", [True, False])
def test_accuracy_is_the_share_of_right_lines(picture: bool, tmp_path: Path) -> None:
    for name, text in {
        "corpus/test": "1 2\n3\n4\n7 7\n",
        "train/plain.1": "1 2\n\n3\n7\n",
        "train/plain.2": "1 2\n3\n4\n7 7 7\n",
        "train/peeky.1": "\n\n\n\n",
        "train/peeky.2": "1 2\n3\n4\n7 7\n",
    }.items():
        path = tmp_path / f"work/{name}.sum"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    missing = {} if picture else {"matplotlib": None}
    code = (
        f"import runpy, sys; sys.modules.update({missing});"
        "sys.argv = ['accuracy.py', 'a.svg', '--epochs=2', 'plain', 'peeky'];"
        f"runpy.run_path({str(RECIPE / 'accuracy.py')!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.tsv").read_text() == (
        "epoch\tplain\tpeeky\n1\t25.00\t0.00\n2\t75.00\t100.00\n"
    )
    assert (tmp_path / "a.svg").exists() == picture
    assert ("needs matplotlib" in done.stderr) != picture
