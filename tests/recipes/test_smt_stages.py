"""The phrase-based system from prepared text to lists, as its script makes it."""

import gzip
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from smt_modules import module

from s2s_cli.text.nbest import read_segments

ROOT = Path(__file__).parents[2]
decoding = module("decoding")
features = module("features")
tuning = module("tuning")

pytestmark = pytest.mark.usefixtures("fast_s2s")
VALUE = r"-?[\d.]+(?:e[+-]?\d+)?"
LINE = re.compile(
    r"\d+ \|\|\| .+ \|\|\| "
    + " ".join(f"{name}=(?: {VALUE}){{{many}}}" for name, many in features.LAYOUT)
    + rf" \|\|\| {VALUE}"
)


def run(recipe: Path, *arguments: str, **variables: str) -> Any:
    """Run the script with the ``s2s`` and the Python that run these tests."""
    return subprocess.run(
        [str(recipe / "run.sh"), *arguments],
        env=os.environ | {"JOBS": "1", "OMP_NUM_THREADS": "1"} | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def smoke(fast_s2s: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe after a run with ``--smoke``."""
    recipes = tmp_path_factory.mktemp("smt") / "recipes"
    shutil.copytree(ROOT / "recipes", recipes, ignore=shutil.ignore_patterns("work", "*.md"))
    done = run(recipes / "smt", "--smoke")
    assert done.returncode == 0, done.stderr
    return recipes / "smt"


def test_smoke_makes_lists_in_the_layout_of_moses(smoke: Path) -> None:
    for split, sentences in (("valid", 20), ("test", 15)):
        path = smoke / f"work/smoke/lists/{split}.nbest.gz"
        with gzip.open(path, "rt") as lines:
            assert all(LINE.fullmatch(line.rstrip("\n")) for line in lines)
        segments = list(read_segments(path))
        assert [number for number, _ in segments] == list(range(sentences))
        for _, entries in segments:
            assert len({each.hypothesis for each in entries}) == len(entries) <= 100
            totals = [each.total or 0.0 for each in entries]
            assert totals == sorted(totals, reverse=True)


def test_the_best_translations_resemble_the_reference(smoke: Path, s2s: Any) -> None:
    work = smoke / "work/smoke"
    found = [entries[0].words for _, entries in read_segments(work / "lists/test.nbest.gz")]
    right = [line.split() for line in (work / "text/test.fr").read_text().splitlines()]
    shared = sum(len(set(a) & set(b)) / len(set(b)) for a, b in zip(found, right, strict=True))
    assert shared / len(right) > 0.7


def test_lists_are_rescored_with_the_weights_that_were_tuned(smoke: Path, s2s: Any) -> None:
    """Their totals are the weighted features, so their own order is that of `s2s rescore`."""
    work = smoke / "work/smoke"
    weights = features.read_weights(work / "weights.ini")
    for _, entries in read_segments(work / "lists/test.nbest.gz"):
        for each in entries:
            score = features.weighted(weights, tuning.feature_values(each.line))
            unknown = round((score - (each.total or 0)) / 100)
            assert each.total == pytest.approx(score - 100 * unknown, rel=1e-4, abs=1e-4)
    assert sum(map(abs, weights)) == pytest.approx(1, abs=1e-4)
    done = s2s(
        *("rescore", work / "lists/test.nbest.gz", "--source", work / "text/test.en"),
        *("--tokenised", "--feature-name", "LM0", "--weight", "0"),
    )
    assert done.returncode == 0, done.stderr
    first = [
        " ".join(entries[0].words) for _, entries in read_segments(work / "lists/test.nbest.gz")
    ]
    assert done.stdout.decode().splitlines() == first


def test_a_run_that_broke_off_goes_on_to_the_same_lists(smoke: Path) -> None:
    work = smoke / "work/smoke"
    lists = {path.name: path.read_bytes() for path in (work / "lists").iterdir()}
    (work / "lists/test.nbest.gz").unlink()
    (work / "tune/weights.2").unlink(missing_ok=True)
    for stage in ("tune", "lists"):
        (work / ".done" / stage).unlink()
    done = run(smoke, "--smoke", JOBS="2")
    assert done.returncode == 0, done.stderr
    assert "stage 3: lm is done" in done.stderr
    assert {path.name: path.read_bytes() for path in (work / "lists").iterdir()} == lists


def test_other_settings_do_not_go_on_with_what_is_there(smoke: Path) -> None:
    done = run(smoke, "--smoke", ORDER="3")
    assert done.returncode == 2
    assert "stage 3 (lm) was made, or begun, from other inputs: ORDER" in done.stderr


def test_without_its_directories_it_does_not_begin(tmp_path: Path) -> None:
    recipe = ROOT / "recipes/smt"
    assert "DATA=DIRECTORY" in run(recipe).stderr
    assert "WORK=DIRECTORY" in run(recipe, DATA=str(tmp_path)).stderr
    done = run(recipe, DATA=str(tmp_path), WORK=str(tmp_path / "work"))
    assert done.returncode == 1
    assert "facts.json" in done.stderr
    assert "Traceback" not in done.stderr
    done = run(recipe, DATA=str(tmp_path), WORK=str(tmp_path / "new"), ORDER="1")
    assert done.returncode != 0


def test_where_all_hypotheses_are_equally_good_the_weights_stay(tmp_path: Path) -> None:
    text = tuning.TuningText([["a"], ["b"]], [["x", "y", "z", "w"], ["u", "v", "w", "x"]], tmp_path)
    text.write()
    pool = tuning.Pool()
    for segment, words in enumerate(text.reference):
        for value in (-1.0, -2.0):  # two derivations of one translation
            pool.add(segment, " ".join(words), [value] * features.COUNT)
    weights = list(features.FIRST_WEIGHTS)
    found, bleu = tuning.tuned(pool, weights, text, 1)
    assert bleu == 100
    assert any(found)
    share = [value / weight for value, weight in zip(found, weights, strict=True)]
    assert share == pytest.approx([share[0]] * len(share))


def test_weights_without_a_feature_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.ini"
    features.write_weights(features.FIRST_WEIGHTS, path)
    assert features.read_weights(path) == list(features.FIRST_WEIGHTS)
    path.write_text(path.read_text().replace("LM0", "LM1"))
    with pytest.raises(module("corpus").UserError, match="LM0 needs 1 weights and has 0"):
        features.read_weights(path)
