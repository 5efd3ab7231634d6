"""Recipes from end to end, on a corpus and with models that take no time."""

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TINY = {"hidden-size": "8", "embedding-size": "8", "max-updates": "2", "threads": "1"}
pytestmark = pytest.mark.usefixtures("fast_s2s")
Done = "subprocess.CompletedProcess[str]"


def tiny_copy(name: str, folder: Path) -> Path:
    """The recipe ``name`` in ``folder``, its own settings but for the size of training."""
    shutil.copytree(ROOT / "recipes", folder, ignore=shutil.ignore_patterns("work", "*.md"))
    for settings in (folder / name / "s2s.toml", folder / name / "laptop.toml"):
        if settings.exists():
            lines = settings.read_text().split("\n")
            lines = [line for line in lines if line.partition(" = ")[0] not in TINY]
            train = lines.index("[train]") + 1
            lines[train:train] = [f"{key} = {value}" for key, value in TINY.items()]
            settings.write_text("\n".join(lines))
    return folder / name


def run(recipe: Path, *options: str, **variables: str) -> Any:
    """Run the recipe with the ``s2s`` and the Python that run these tests."""
    environment = {key: value for key, value in os.environ.items() if key != "S2S_DATA"}
    return subprocess.run(
        [str(recipe / "run.sh"), *options],
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )


def labels(page: str) -> list[str]:
    """First cells of the rows of all tables, without headers and rules."""
    first = [line.split("|")[1].strip() for line in page.split("\n") if line.startswith("|")]
    return [label for label in first if label.strip("-")]


@pytest.fixture(scope="module")
def numbers(fast_s2s: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The recipe of numbers after a run; its first stage is replaced by a smaller corpus."""
    recipe = tiny_copy("numbers_en_fr", tmp_path_factory.mktemp("numbers") / "recipes")
    script = recipe / "number_phrases.py"
    sizes = ["--train=200", "--valid=20", "--test=15"]
    subprocess.run([sys.executable, script, recipe / "work/corpus", *sizes], check=True)
    (recipe / "work/.done").mkdir()
    (recipe / "work/.done/corpus").write_text("0\n")
    done = run(recipe)
    assert done.returncode == 0, done.stderr
    return recipe, done


def test_numbers_makes_the_tables_of_the_paper(numbers: tuple[Path, Any]) -> None:
    recipe, done = numbers
    assert labels(done.stdout) == [
        "Single forward LSTM, beam size 12",
        "Single reversed LSTM, beam size 12",
        "Ensemble of 5 reversed LSTMs, beam size 1",
        "Ensemble of 2 reversed LSTMs, beam size 12",
        "Ensemble of 5 reversed LSTMs, beam size 2",
        "Ensemble of 5 reversed LSTMs, beam size 12",
        "Baseline system: a reversed LSTM stopped early",
        "Rescored with a single forward LSTM",
        "Rescored with a single reversed LSTM",
        "Rescored with an ensemble of 5 reversed LSTMs",
        "Oracle rescoring of the 50-best lists",
    ]
    assert done.stdout in (recipe / "RESULTS.md").read_text()


def test_numbers_translates_every_line_in_every_row(numbers: tuple[Path, Any]) -> None:
    recipe, _ = numbers
    for stage, rows in (("decode", 6), ("rescore", 5)):
        outputs = sorted((recipe / "work" / stage).glob("*.json"))
        assert len(outputs) == rows
        assert all(each.with_suffix(".fr").read_bytes().count(b"\n") == 15 for each in outputs)


def test_numbers_run_again_shows_the_tables_and_touches_nothing(numbers: tuple[Path, Any]) -> None:
    recipe, first = numbers
    before = {path: path.stat().st_mtime_ns for path in recipe.rglob("*")}
    done = run(recipe)
    assert done.returncode == 0
    assert done.stdout == first.stdout
    assert {path: path.stat().st_mtime_ns for path in recipe.rglob("*")} == before


def captions(folder: Path, recipe: Path) -> Path:
    """A corpus of a few captions in ``folder``, and its checksums in the recipe."""
    data = folder / "multi30k"
    data.mkdir(parents=True)
    sums = []
    for split, pairs in (("train", 30), ("val", 5), ("test_2016_flickr", 4)):
        for language, line in (("en", "A dog, two men.\n"), ("fr", "Un chien, deux hommes.\n")):
            name, text = f"{split}.{language}", (line * pairs).encode()
            (data / name).write_bytes(text)
            sums.append(f"{hashlib.sha256(text).hexdigest()}  {name}\n")
    (recipe / "SHA256SUMS").write_text("".join(sums))
    return folder


def test_multi30k_from_raw_text_to_tables(tmp_path: Path) -> None:
    """Without lists of an SMT system; those are rehearsed in test_wmt14.py, by the same code."""
    recipe = tiny_copy("multi30k_en_fr", tmp_path / "recipes")
    data = captions(tmp_path / "data", recipe)
    done = run(recipe, S2S_DATA=str(data), PIECES="30")
    assert done.returncode == 0, done.stderr
    page = (recipe / "RESULTS.md").read_text()
    assert "- command: `NBEST=lists PRECISION=fp32 PIECES=30 recipes/multi30k" in page
    direct = [line for line in page.split("\n") if "beam size" in line]
    assert len(direct) == 6
    assert not any("not run" in line for line in direct)
    rescored = [line for line in page.split("\n") if line.startswith("| Rescored")]
    assert len(rescored) == 6
    assert all("not run" in line for line in rescored)
    assert "Table 2 cannot be run" in done.stderr
    models = [line for line in page.split("\n") if line.startswith("| Reversed, seed")]
    assert all(re.search(r"\d\.\d+ \|.* min \|$", line) for line in models)
    assert len(models) == 5
    assert (recipe / "work/table1/five-12.fr").read_bytes().count(b"\n") == 4
    pictures = [path.name for path in (recipe / "figures").glob("*.svg")]
    assert sorted(pictures) == ["curves.svg", "lengths.svg", "rarity.svg", "states.svg"]
    assert all(f"](figures/{name})" in page for name in pictures)


def test_multi30k_takes_the_lists_beside_its_text(tmp_path: Path) -> None:
    recipe = tiny_copy("multi30k_en_fr", tmp_path / "recipes")
    data = captions(tmp_path / "data", recipe)
    (data / "smt").mkdir()
    (data / "smt/test_2016_flickr.nbest.gz").write_bytes(b"the list")
    done = run(recipe, "--stop-stage", "1", S2S_DATA=str(data))
    assert done.returncode == 0, done.stderr
    assert (recipe / "work/lists/test.nbest.gz").read_bytes() == b"the list"


def test_multi30k_without_the_lists_it_is_told_of_does_not_begin(tmp_path: Path) -> None:
    recipe = tiny_copy("multi30k_en_fr", tmp_path / "recipes")
    done = run(recipe, "--stop-stage", "1", NBEST=str(tmp_path))
    assert done.returncode == 2
    assert f"NBEST={tmp_path} has no test.nbest" in done.stderr
    assert not (recipe / "work").exists()


@pytest.fixture(scope="module")
def trained_multi30k(fast_s2s: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Multi30k with one reversed model and its translation, as if all else were done too."""
    recipe = tiny_copy("multi30k_en_fr", tmp_path_factory.mktemp("multi30k") / "recipes")
    trainings = recipe.parent / "trainings.sh"
    trainings.write_text(trainings.read_text().replace("} | train", "} | sed -n 2p | train"))
    done = run(recipe, "--stop-stage", "4", S2S_DATA=str(captions(recipe / "data", recipe)))
    assert done.returncode == 0, done.stderr
    (recipe / "work/table1").mkdir()
    shutil.copy(recipe / "work/fetch/test.fr", recipe / "work/table1/reversed-12.fr")
    for stage in ("beyond", "all_scores"):
        (recipe / "work/.done" / stage).write_text("0\n")
    return recipe


def run_with_two_variants(recipe: Path, name: str, of_run: str) -> Any:
    """Run the script ``name`` for two of its variants and the models ``of_run``."""
    script = recipe / name
    lines = script.read_text().split("\n")
    start, end = lines.index("  cat <<END") + 1, lines.index("END")
    text = "\n".join([*lines[: start + 2], *lines[end:]])
    text = re.sub(r"(?m)^of_run=.*", f"of_run=({of_run})", text)
    shutil.copymode(recipe / "run.sh", script)
    (recipe / "run.sh").write_text(text.replace("4000", "30"))
    return run(recipe)


@pytest.mark.parametrize("name", ["search.sh", "options.sh", "tuners.sh"])
def test_multi30k_s_other_scripts_need_the_models_of_run(name: str, tmp_path: Path) -> None:
    recipe = tiny_copy("multi30k_en_fr", tmp_path / "recipes")
    refused = subprocess.run([recipe / name], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "run.sh --stop-stage" in refused.stderr


def variants(name: str) -> list[list[str]]:
    """The variants of the script ``name``: name, directory of the text, options of `train`."""
    folder = ROOT / "recipes/multi30k_en_fr"
    start = (folder / name).read_text().index("variants() {")
    function = (folder / name).read_text()[start:].partition("\n}\n")[0]
    script = f"source {folder.parent}/trainings.sh\n{function}\n}}\nvariants"
    lines = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=True)
    return [line.split() for line in lines.stdout.strip().split("\n")]


@pytest.mark.parametrize("name", ["run.sh", "search.sh", "options.sh"])
def test_multi30k_s_variants_are_models_that_train_takes(name: str, s2s: Any) -> None:
    for _, text, *options in variants(name):
        refused = s2s("train", *options, "--data", f"not there/{text}")
        # an option that does not fit would be told first, with exit code 2
        assert (refused.returncode, b"no such file" in refused.stderr) == (1, True), refused.stderr


def test_multi30k_s_options_have_a_row_each() -> None:
    rows = (ROOT / "recipes/multi30k_en_fr/options.toml").read_text()
    assert set(re.findall('model = "train/(.*?)"', rows)) == {
        each[0] for each in variants("options.sh")
    }


def test_multi30k_s_search_is_judged_on_the_validation_text(trained_multi30k: Path) -> None:
    done = run_with_two_variants(trained_multi30k, "search.sh", of_run="reversed-1")
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.split("\n") if line.startswith("| ")]
    assert len([line for line in rows if " min |" in line]) == 3  # run.sh's model is one of them
    search = trained_multi30k / "work/search"
    assert (search / "decode/reversed-1.fr").read_bytes().count(b"\n") == 5
    assert (search / "data/pieces-30/vocab.fr").exists()


def test_multi30k_s_options_are_compared_with_none_of_them(trained_multi30k: Path) -> None:
    done = run_with_two_variants(trained_multi30k, "options.sh", of_run="")
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.split("\n") if " min |" in line]
    assert [re.sub("[^a-z]", "", row) for row in rows] == [
        "onemin",
        "cellrnnmin",
        "celllstmpeepholemin",
    ]
    assert [bool(re.search(r"[+-]\d+\.\d\d \(", row)) for row in rows] == [False, True, True]
    shape = json.loads((trained_multi30k / "work/options/train/rnn/model.json").read_text())
    assert "rnn" in json.dumps(shape)


@pytest.fixture(scope="module")
def laws(fast_s2s: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The recipe of the laws, and its runs at both sizes; the smaller one takes 20 of 40 pairs."""
    folder = tmp_path_factory.mktemp("laws")
    recipe = tiny_copy("canada_laws_en_fr", folder / "recipes")
    script = recipe / "run.sh"
    script.write_text(script.read_text().replace("most=100000 ", "most=20 "))
    data = folder / "canada_laws"
    data.mkdir()
    lines = {"en": "Section {} of the Act, as amended.\n", "fr": "L'article {} de la loi.\n"}
    for side, line in lines.items():
        for split, pairs in (("train", 40), ("dev", 9)):
            text = "".join(line.format(number) for number in range(pairs))
            (data / f"{split}.{side}.gz").write_bytes(gzip.compress(text.encode()))
    few = {"ROUNDS": "1", "NBEST_SIZE": "5", "STACK": "20", "POPS": "40", "JOBS": "1"}
    runs = {
        size: run(recipe, S2S_DATA=str(folder), SIZE=size, **few) for size in ("laptop", "paper")
    }
    return recipe, runs


def test_canada_laws_from_packed_text_to_tables(laws: tuple[Path, dict[str, Any]]) -> None:
    recipe, runs = laws
    for number, size in enumerate(runs):
        assert runs[size].returncode == 0, runs[size].stderr
        rows = [line for line in runs[size].stdout.split("\n") if line.startswith("| Single")]
        missing = [False, False, number == 0, number == 0]  # the larger size is run later
        assert ["not run" in row for row in rows] == missing
        facts = [
            (recipe / f"work/{size}/prep/{way}/facts.json").read_text()
            for way in ("forward", "reversed")
        ]
        assert ['"reverse_source": true' in each for each in facts] == [False, True]
    assert all(re.search(r"\d+ min \|", row) for row in rows)
    baselines = [line for line in runs["paper"].stdout.split("\n") if line.startswith("| Base")]
    assert len(baselines) == 2
    assert not any("not run" in row for row in baselines)
    told = r"laptop/train \d+ s, .*paper/train \d+ s, "
    assert re.search(told, (recipe / "RESULTS.md").read_text())


def test_canada_laws_of_a_laptop_are_taken_evenly(laws: tuple[Path, dict[str, Any]]) -> None:
    recipe, _ = laws
    for size, wanted in (("laptop", range(1, 40, 2)), ("paper", range(40))):
        packed = (recipe / f"work/{size}/fetch/train.en.gz").read_bytes()
        numbers = re.findall(r"\d+", gzip.decompress(packed).decode())
        assert numbers == [str(number) for number in wanted]
    assert re.findall(r"\d", (recipe / "work/laptop/fetch/valid.fr").read_text()) == list("02468")
    assert re.findall(r"\d", (recipe / "work/laptop/fetch/test.fr").read_text()) == list("1357")


def test_canada_laws_of_no_text_or_size_are_refused(tmp_path: Path) -> None:
    recipe = tiny_copy("canada_laws_en_fr", tmp_path / "recipes")
    refused = run(recipe)
    assert refused.returncode == 2
    assert "S2S_DATA=DIRECTORY" in refused.stderr
    refused = run(recipe, SIZE="large")
    assert refused.returncode == 2
    assert "SIZE is paper or laptop, not 'large'" in refused.stderr


def test_addition_from_problems_to_the_accuracy_of_each_epoch(tmp_path: Path) -> None:
    recipe = tiny_copy("addition", tmp_path / "recipes")
    sizes = ["--train=30", "--valid=5", "--test=4"]
    command = [sys.executable, str(recipe / "problems.py"), str(recipe / "work/corpus"), *sizes]
    subprocess.run(command, check=True)
    (recipe / "work/.done").mkdir()
    (recipe / "work/.done/corpus").write_text("0\n")
    done = run(recipe, EPOCHS="2")
    assert done.returncode == 0, done.stderr
    assert labels(done.stdout) == ["epoch", "1", "2"]
    header, first = (line for line in done.stdout.split("\n") if line.startswith(("| ep", "| 1 ")))
    names = [each.strip() for each in header.split("|")[2:-1]]
    assert names == ["plain", "reversed", "peeky", "reversed+peeky"]
    assert all(0 <= float(each) <= 100 for each in first.split("|")[2:-1])
    page = (recipe / "RESULTS.md").read_text()
    assert "](figures/accuracy.svg)" in page
    assert (recipe / "figures/accuracy.svg").exists()
    shapes = {
        name: json.loads((recipe / f"work/train/{name}/model.json").read_text()) for name in names
    }
    assert [shape["facts"]["reverse_source"] for shape in shapes.values()] == [False, True] * 2
    assert ["peeky" in json.dumps(shape) for shape in shapes.values()] == [False] * 2 + [True] * 2
    assert [(recipe / f"work/train/{name}.2.sum").read_bytes().count(b"\n") for name in names] == [
        4
    ] * 4
