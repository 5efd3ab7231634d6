"""The recipe of Tatoeba: rehearsed; its text; where a system overtakes; phrases that cluster."""

import gzip
import hashlib
import importlib.util
import math
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU

ROOT = Path(__file__).parents[2]
HERE = ROOT / "recipes/tatoeba_en_fr"
NAMES = ["train.en", "train.fr", "dev.en", "dev.fr"]

pytestmark = pytest.mark.usefixtures("fast_s2s")


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec
    assert spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


fetch_tatoeba = module("fetch_tatoeba")
neighbours = module("neighbours")
overtaking = module("overtaking")


def run(recipe: Path, *options: str, **variables: str) -> Any:
    """Run the recipe with the ``s2s`` and the Python that run these tests."""
    environment = {key: value for key, value in os.environ.items() if key != "S2S_DATA"}
    return subprocess.run(
        [str(recipe / "run.sh"), *options],
        env=environment | {"OMP_NUM_THREADS": "1"} | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


@pytest.fixture(scope="module")
def rehearsal(fast_s2s: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The recipe after a run with ``--smoke``."""
    recipes = tmp_path_factory.mktemp("tatoeba") / "recipes"
    ignored = shutil.ignore_patterns("work", "*.md", "__pycache__")
    shutil.copytree(ROOT / "recipes", recipes, ignore=ignored)
    done = run(recipes / "tatoeba_en_fr", "--smoke")
    assert done.returncode == 0, done.stderr
    return recipes / "tatoeba_en_fr", done


def test_every_row_is_run_beside_the_baseline_of_this_text(rehearsal: tuple[Path, Any]) -> None:
    recipe, done = rehearsal
    assert "not run" not in done.stdout
    rows = [line for line in done.stdout.split("\n") if line.startswith("| ")]
    for label, number in (
        ("Single ", 3),  # one again among phrases, vectors, and both
        ("Ensemble of", 5),
        ("Baseline system (SMT)", 4),
        ("Rescored with", 6),
        ("Oracle", 1),
        ("Reversed, seed", 5),
        ("Attention, two encoders", 2),
    ):
        assert len([row for row in rows if row.startswith(f"| {label}")]) == number, label
    lines = (recipe / "work/smoke/corpus/test.en").read_bytes().count(b"\n")
    made = list((recipe / "work/smoke").glob("table[12]/*.fr"))
    assert {path.read_bytes().count(b"\n") for path in made if ".valid" not in path.name} == {lines}
    assert not (recipe / "RESULTS.md").exists()  # that page is of full runs


def test_the_page_answers_its_questions_and_has_the_figures(rehearsal: tuple[Path, Any]) -> None:
    recipe, done = rehearsal
    page = recipe / "work/smoke/RESULTS.md"
    assert done.stdout.strip() in page.read_text()
    assert re.search(r"^SMT (overtakes|is ahead of) 5 reversed at ", done.stdout, re.M)
    assert "| word order: bags of words " in done.stdout
    assert "### Line " in done.stdout
    for name in ("lengths", "rarity", "word_order", "active_and_passive", "curves"):
        assert f"](figures/{name}.svg)" in done.stdout
        assert (page.parent / f"figures/{name}.svg").exists()
    assert "to the 5 LSTMs alone (p)" in done.stdout


def test_run_again_it_shows_the_tables_and_touches_nothing(rehearsal: tuple[Path, Any]) -> None:
    recipe, first = rehearsal
    before = {path: path.stat().st_mtime_ns for path in recipe.rglob("*")}
    done = run(recipe, "--smoke")
    assert (done.returncode, done.stdout) == (0, first.stdout)
    assert {path: path.stat().st_mtime_ns for path in recipe.rglob("*")} == before


def test_text_that_is_prepared_and_trained_on_stays(rehearsal: tuple[Path, Any]) -> None:
    """Also where another run, or a person, made it: nothing is prepared, or trained, twice."""
    recipe, _ = rehearsal
    work = recipe / "work/smoke"
    kept = [*work.glob("prep/*/*"), *work.glob("train/*/best.pt")]
    before = {path: path.stat().st_mtime_ns for path in kept}
    for stage in ("prep", "train"):
        (work / ".done" / stage).unlink()
    assert run(recipe, "--smoke", "--stop-stage", "4").returncode == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == before


def fetch(folder: Path, *options: str, **variables: str) -> Any:
    environment = {key: value for key, value in os.environ.items() if key != "S2S_DATA"}
    command = [sys.executable, str(folder / "fetch_tatoeba.py"), str(folder / "corpus"), *options]
    return subprocess.run(
        command, env=environment | variables, capture_output=True, text=True, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The script beside checksums of a text of ours, which lies in data/tatoeba."""
    shutil.copy(HERE / "fetch_tatoeba.py", tmp_path)
    (tmp_path / "data/tatoeba").mkdir(parents=True)
    sums = []
    for name in NAMES:
        content = "".join(f"{name}\u2028 {line}\n" for line in range(5)).encode()
        (tmp_path / f"data/tatoeba/{name}.gz").write_bytes(gzip.compress(content))
        sums.append(f"{hashlib.sha256(content).hexdigest()}  {name}\n")
    (tmp_path / "SHA256SUMS").write_text("".join(sums))
    return tmp_path


def test_odd_lines_are_for_validation_and_even_ones_the_test(folder: Path) -> None:
    done = fetch(folder, S2S_DATA=str(folder / "data"))
    assert done.returncode == 0, done.stderr
    lines = (folder / "corpus/valid.fr").read_text().split("\n")[:-1]
    assert lines == [f"dev.fr\u2028 {line}" for line in (0, 2, 4)]
    assert (folder / "corpus/test.en").read_text().split("\n")[0] == "dev.en\u2028 1"
    assert gzip.decompress((folder / "corpus/train.en.gz").read_bytes()).count(b"\n") == 5


def test_another_text_is_refused(folder: Path) -> None:
    (folder / "data/tatoeba/dev.fr.gz").write_bytes(gzip.compress(b"another\n"))
    done = fetch(folder, S2S_DATA=str(folder / "data"))
    assert done.returncode == 1
    assert done.stderr.startswith(f"fetch_tatoeba.py: {folder}/data/tatoeba: the SHA-256 of dev.fr")
    assert not (folder / "corpus").exists()


def test_without_a_text_it_says_where_there_are_some(folder: Path) -> None:
    done = fetch(folder)
    assert done.returncode == 1
    assert "no public address of this very text is known" in done.stderr
    assert "www.manythings.org/anki" in done.stderr


def test_pairs_of_an_archive_are_split_without_overlap(folder: Path) -> None:
    lines = [f"go {n % 300}.\tva {n % 170}.\tCC-BY 2.0 (France) #{n}\n" for n in range(900)]
    with zipfile.ZipFile(folder / "fra-eng.zip", "w") as archive:
        archive.writestr("_about.txt", "no pairs\n")
        archive.writestr("fra.txt", "".join(lines))
    done = fetch(folder, "--pairs", str(folder / "fra-eng.zip"), "--held-out", "20")
    assert done.returncode == 0, done.stderr
    sides: dict[str, list[set[str]]] = {"en": [], "fr": []}
    for side, sets in sides.items():
        for split in ("train", "valid", "test"):
            path = folder / f"corpus/{split}.{side}"
            text = (
                path.read_bytes()
                if path.exists()
                else gzip.decompress(path.with_name(f"{path.name}.gz").read_bytes())
            )
            sets.append(set(text.decode().split("\n")[:-1]))
        assert all(sets)
        assert not (sets[0] & sets[1] or sets[0] & sets[2] or sets[1] & sets[2])
    assert len(set.union(*sides["en"])) > 200  # most of 300


def test_a_file_without_pairs_is_refused(folder: Path) -> None:
    (folder / "pairs").write_text("a\tb\nno tab\n")
    done = fetch(folder, "--pairs", str(folder / "pairs"))
    assert done.returncode == 1
    assert done.stderr.endswith("pairs: line 2 has no tab between English and French\n")


def test_the_checksums_are_those_of_the_text(real_data: Path) -> None:
    splits = fetch_tatoeba.read_shared(real_data / "tatoeba")
    assert [len(splits[name]) for name in ("train", "valid", "test")] == [138_499, 949, 948]


@pytest.mark.parametrize(
    ("differences", "at"),
    [([3.0, -1.0, 2.0, -0.5, -4.0], 3), ([-1.0, -2.0], 0), ([-1.0, 2.0], 2), ([0.0], 1), ([], 0)],
)
def test_it_is_overtaken_where_it_is_behind_from_there_on(
    differences: list[float], at: int
) -> None:
    assert overtaking.overtaken_from(differences) == at


def test_scores_of_each_length_are_those_of_sacrebleu(tmp_path: Path) -> None:
    """The first system is right where sentences are short, the second where they are long."""
    short, long = "un chat dort ici", "le grand chien noir court vers la maison"
    texts = {
        "source": ["a cat sleeps here"] * 6 + ["the big black dog runs to the house"] * 6,
        "reference": [short] * 6 + [long] * 6,
        "vector": [short] * 6 + ["le grand chien noir court dans un jardin"] * 5 + [long],
        "smt": ["un chat dort là ici"] * 5 + [short] + [long] * 6,
    }
    for name, lines in texts.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
    options = ["--name", "vector", "--name", "SMT", "--source", "source", "--min-sentences", "3"]
    command = [sys.executable, str(HERE / "overtaking.py"), "reference", "vector", "smt", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.split("\n")]
    assert [row[:2] for row in rows[2:4]] == [["4", "6"], ["8", "6"]]
    for row, part in zip(rows[2:4], (slice(6), slice(6, 12)), strict=True):
        for cell, name in ((row[2], "vector"), (row[3], "smt")):
            metric = BLEU(tokenize="none", smooth_method="none", force=True)
            wanted = metric.corpus_score(texts[name][part], [texts["reference"][part]]).score
            assert float(cell) == pytest.approx(wanted, abs=0.005)
        assert float(row[4].split()[0]) == pytest.approx(float(row[2]) - float(row[3]), abs=0.011)
    assert done.stdout.endswith("\n\nSMT overtakes vector at 8 words of the source.\n")


def test_the_interval_of_that_length_is_told_where_there_is_one() -> None:
    parts = [overtaking.Bin([0], low, low, low) for low in (3.0, 5.0, 9.0)]
    told = [
        overtaking.verdict(["A", "B"], parts, at, found)
        for at, found in (
            (1, [1] * 100),
            (1, [1] * 50 + [3] * 50),
            (0, [0] * 90 + [1] * 10),
            (3, [3] * 100),
        )
    ]
    assert told == [
        "B overtakes A at 5 words of the source.",
        "B overtakes A at 5 words of the source (95 % interval: 5 words to nowhere).",
        "B is ahead of A at every length (95 % interval: 3 words to 5 words).",
        "A is ahead of B where sentences are longest.",
    ]


def slow_silhouette(points: list[tuple[float, float]], groups: list[int]) -> float:
    """By the definition, phrase by phrase."""
    values = []
    for i, point in enumerate(points):
        means = {}
        for group in set(groups):
            others = [j for j, each in enumerate(groups) if each == group and j != i]
            means[group] = sum(math.dist(point, points[j]) for j in others) / len(others)
        inside = means.pop(groups[i])
        outside = min(means.values())
        values.append((outside - inside) / max(inside, outside))
    return sum(values) / len(values)


def test_clusters_are_measured_by_their_definitions() -> None:
    points = [(0.0, 0.0), (1.0, 0.0), (0.0, 2.0), (5.0, 5.0), (1.5, 0.0), (9.0, 9.0), (8.0, 9.5)]
    groups = [0, 0, 0, 1, 1, 2, 2]
    apart = neighbours.distances(np.array(points))
    wanted = slow_silhouette(points, groups)
    assert neighbours.silhouette(apart, np.array(groups)) == pytest.approx(wanted, abs=1e-12)
    # Nearest are 1, 4 (of another group), 0, 6 (another), 1 (another), 6, 5.
    assert neighbours.nearest_share(apart, np.array(groups)) == pytest.approx(4 / 7)
    assert neighbours.expected_share(np.array([0, 0, 1, 1])) == pytest.approx(1 / 3)


def test_of_several_nearest_phrases_each_counts_a_share() -> None:
    apart = neighbours.distances(np.array([[0.0], [1.0], [-1.0], [9.0]]))
    # the first has a neighbour of each group; its neighbours have it
    assert neighbours.nearest_share(apart, np.array([0, 0, 1, 1])) == pytest.approx(1.5 / 4)


def test_a_bag_of_words_knows_no_order() -> None:
    bags = neighbours.bags_of_words(["The dog, at home.", "at home the dog", "The dog"])
    assert (bags[0] == bags[1]).all()
    assert not (bags[0] == bags[2]).all()


@pytest.mark.parametrize("name", ["word_order.en", "active_and_passive.en"])
def test_the_phrases_of_each_meaning_are_several(name: str) -> None:
    phrases, groups = neighbours.read_phrases(HERE / name)
    assert len(phrases) == len(set(phrases)) == 16
    assert np.bincount(groups).tolist() == [4] * 4
