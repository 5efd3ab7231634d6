"""The recipe of speed from the raw text to the results, tiny, without peers."""

import csv
import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
# One section of each kind; the others differ in what they run, not in how.
SECTIONS = ("train/small", "rescore", "vocab")
WORDS = ("dog", "man", "park", "runs", "red", "two", "small", "water", "street", "the")


def multi30k(recipes: Path, data: Path) -> None:
    """A few lines in the place of Multi30k, and their checksums in the place of its."""
    (data / "multi30k").mkdir(parents=True)
    sums = []
    for split, pairs in (("train", 240), ("val", 5), ("test_2016_flickr", 6)):
        for language in ("en", "fr"):
            some = (WORDS[i % 10] + " " + WORDS[i // 10 % 10] + " ." for i in range(pairs))
            text = "".join(f"{line}\n" for line in some).encode()
            (data / "multi30k" / f"{split}.{language}").write_bytes(text)
            sums.append(f"{hashlib.sha256(text).hexdigest()}  {split}.{language}\n")
    (recipes / "multi30k_en_fr/SHA256SUMS").write_text("".join(sums))


def run(recipe: Path, *arguments: str, **variables: str) -> Any:
    environment = {key: value for key, value in os.environ.items() if key != "PEERS"}
    environment |= {"S2S_DATA": str(recipe.parents[1] / "text"), "RUNS": "1", "THREADS": "1"}
    return subprocess.run(
        [str(recipe / "run.sh"), "--quick", *arguments],
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )


@pytest.fixture(scope="module")
def recipe(fast_s2s: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The recipe after a run of some sections."""
    folder = tmp_path_factory.mktemp("speed")
    ignored = shutil.ignore_patterns("work", "RESULTS*.md", "results*.tsv", "__pycache__")
    shutil.copytree(ROOT / "recipes", folder / "recipes", ignore=ignored)
    multi30k(folder / "recipes", folder / "text")
    done = run(folder / "recipes/speed", *SECTIONS)
    assert done.returncode == 0, done.stderr
    return folder / "recipes/speed", done


def records(recipe: Path) -> list[dict[str, str]]:
    with (recipe / "work/quick/results.tsv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_every_run_is_on_record_with_how_it_was_made(recipe: tuple[Path, Any]) -> None:
    rows = records(recipe[0])
    assert {row["section"] for row in rows} >= {"train", "rescore", "vocab"}
    assert all(row["threads"] == "1" and row["device"] == "cpu" for row in rows)
    assert all(row["machine"] and row["date"] for row in rows)
    speeds = {
        (row["section"], row["tool"]): float(row["value"])
        for row in rows
        if row["measure"].endswith("_per_second")
    }
    assert {("train", "s2s"), ("train", "s2s bf16"), ("train", "plain nn.LSTM")} <= set(speeds)
    assert {("rescore", "s2s"), ("rescore", "plain nn.LSTM"), ("vocab", "s2s")} <= set(speeds)
    assert min(speeds.values()) > 0


def test_a_peer_that_is_not_run_has_a_row_that_says_so(recipe: tuple[Path, Any]) -> None:
    path, done = recipe
    missing = {
        (row["section"], row["tool"])
        for row in records(path)
        if row["measure"] == "missing" and row["value"] == "not run"
    }
    peers = {"OpenNMT-py", "fairseq", "JoeyNMT", "Marian"}
    assert {tool for section, tool in missing if section == "train"} == peers
    page = (path / "work/quick/RESULTS.md").read_text(encoding="utf-8")
    assert done.stdout in page
    rows = [line for line in page.split("\n") if line.startswith("| JoeyNMT ")]
    assert len(rows) == 2  # in training and in rescoring
    assert all("not run" in row for row in rows)


def test_both_score_the_same_hypotheses_alike(recipe: tuple[Path, Any]) -> None:
    found = [
        float(row["value"])
        for row in records(recipe[0])
        if row["measure"] == "difference" and row["tool"] == "plain nn.LSTM"
    ]
    # Two of the rows of a softmax that has learnt nothing are symbols that s2s has not.
    assert len(found) == 1
    assert found[0] < 2


def test_what_was_measured_is_not_measured_again(recipe: tuple[Path, Any]) -> None:
    path, _ = recipe
    before = records(path)
    done = run(path, *SECTIONS)
    assert done.returncode == 0, done.stderr
    assert "round" not in done.stderr
    measured = [row for row in before if row["measure"] != "missing"]
    assert [row for row in records(path) if row["measure"] != "missing"] == measured


def test_a_learning_curve_is_measured_once_for_each_seed_and_precision(
    recipe: tuple[Path, Any],
) -> None:
    path, _ = recipe
    done = run(path, "curve", RUNS="2")
    assert done.returncode == 0, done.stderr
    curves: dict[tuple[str, str], list[float]] = {}
    for row in records(path):
        if row["measure"].startswith("perplexity_at_"):
            curves.setdefault((row["case"], row["tool"]), []).append(float(row["value"]))
    names = [(f"seed {seed}", tool) for seed in (1, 2) for tool in ("s2s", "s2s bf16")]
    assert list(curves) == names
    updates = 240 // 64 + 1  # an epoch
    assert {len(each) for each in curves.values()} == {updates // 2}
    ours, bf16, other = (curves[name] for name in names[:3])
    assert bf16 == pytest.approx(ours, rel=0.01)  # the same seed
    assert other != pytest.approx(ours, rel=1e-4)


def test_trainings_over_several_devices_are_planned(recipe: tuple[Path, Any]) -> None:
    path, _ = recipe
    done = run(path, "plan")
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, float]] = {}
    for row in records(path):
        if row["section"] == "plan":
            found.setdefault(row["tool"], {})[row["measure"]] = float(row["value"])
    names = {2: "2 virtual devices", 8: "8 virtual devices"}
    assert list(found) == [*names.values(), "8 virtual devices, layout data"]
    for devices, name in names.items():
        assert found[name]["layer_places"] + found[name]["output_places"] == devices
    assert all(each["speed_up"] > 0 and each["moved_mib"] > 0 for each in found.values())


def test_a_second_run_at_the_same_time_is_refused(recipe: tuple[Path, Any]) -> None:
    with (recipe[0] / "work/quick/lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        done = run(recipe[0], "vocab")
    assert done.returncode != 0
    assert "another run is under way" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (["trian"], {}, "no section 'trian'"),
        (["vocab/3 pairs"], {}, "section vocab has no case '3 pairs'"),
        (["vocab"], {"RUNS": "0"}, "RUNS=0: not a number from 1 on"),
        (["vocab"], {"THREADS": "2"}, "set that, or remove the file"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    recipe: tuple[Path, Any], arguments: list[str], variables: dict[str, str], said: str
) -> None:
    before = (recipe[0] / "work/quick/results.tsv").read_bytes()
    done = run(recipe[0], *arguments, **variables)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert (recipe[0] / "work/quick/results.tsv").read_bytes() == before
