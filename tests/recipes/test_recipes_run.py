"""Both recipes from end to end, on a corpus and with models that take no time."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TINY = {"hidden-size": "8", "embedding-size": "8", "max-updates": "2", "threads": "1"}
Done = "subprocess.CompletedProcess[str]"


def tiny_copy(name: str, folder: Path) -> Path:
    """The recipe ``name`` in ``folder``, its own settings but for the size of training."""
    shutil.copytree(ROOT / "recipes", folder, ignore=shutil.ignore_patterns("work", "RESULTS.md"))
    settings = folder / name / "s2s.toml"
    lines = settings.read_text().split("\n")
    lines = [line for line in lines if line.partition(" = ")[0] not in TINY]
    train = lines.index("[train]") + 1
    lines[train:train] = [f"{key} = {value}" for key, value in TINY.items()]
    settings.write_text("\n".join(lines))
    return folder / name


def run(recipe: Path, *options: str, **variables: str) -> Any:
    """Run the recipe with the ``s2s`` and the Python that run these tests."""
    environment = {key: value for key, value in os.environ.items() if key != "S2S_DATA"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
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
def numbers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
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


def test_multi30k_from_raw_text_to_tables(tmp_path: Path) -> None:
    recipe = tiny_copy("multi30k_en_fr", tmp_path / "recipes")
    data = tmp_path / "data/multi30k"
    data.mkdir(parents=True)
    sums = []
    for split, pairs in (("train", 30), ("val", 5), ("test_2016_flickr", 4)):
        for language, line in (("en", "A dog, two men.\n"), ("fr", "Un chien, deux hommes.\n")):
            name, text = f"{split}.{language}", (line * pairs).encode()
            (data / name).write_bytes(text)
            sums.append(f"{hashlib.sha256(text).hexdigest()}  {name}\n")
    (recipe / "SHA256SUMS").write_text("".join(sums))
    done = run(recipe, S2S_DATA=str(tmp_path / "data"))
    assert done.returncode == 0, done.stderr
    order = [f"{way}, beam size {beam}" for way in ("Forward", "Reversed") for beam in (1, 2, 12)]
    assert labels((recipe / "RESULTS.md").read_text()) == order
    assert "perplexity" in done.stdout
    assert (recipe / "work/decode/reversed-12.fr").read_bytes().count(b"\n") == 4
