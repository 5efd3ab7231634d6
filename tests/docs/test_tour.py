"""The tour runs as it is printed, with the pages that go on from it, and gives what they say."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from doc_pages import PAGES, ROOT, blocks, code, section, table

# What makes the tour's model small enough for a test.
TINY = {"hidden-size": "16", "embedding-size": "16", "epochs": "2"}
# Pages whose shell blocks are run, one after the other. Those of other pages are parsed.
EXECUTED = ("tour", "beyond-the-paper", "figures", "onnx")


@pytest.fixture(scope="module")
def toured(fast_s2s: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which every shell block of the tour was run, with a tiny corpus and model."""
    directory = tmp_path_factory.mktemp("tour")
    numbers = ROOT / "recipes/numbers_en_fr/number_phrases.py"
    sizes = ["--train", "300", "--valid", "20", "--test", "10"]
    subprocess.run([sys.executable, numbers, "corpus", *sizes], cwd=directory, check=True)
    start, *rest = [block for page in EXECUTED for block in blocks(PAGES[page], "sh")]
    (program,) = blocks(PAGES["onnx"], "python")
    (directory / "greedy.py").write_text(program, "utf-8")
    subprocess.run(["bash", "-euc", start], cwd=directory, check=True)
    settings = (directory / "s2s.toml").read_text("utf-8")
    assert_has(tomllib.loads(settings), tomllib.loads(*blocks(PAGES["tour"], "toml")))
    (directory / "s2s.toml").write_text(tiny_settings(settings), "utf-8")
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(rest)],
        cwd=directory,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert run.returncode == 0, run.stderr
    (directory / "stdout").write_text(run.stdout, "utf-8")
    (directory / "stderr").write_text(run.stderr, "utf-8")
    return directory


def assert_has(settings: dict[str, Any], part: dict[str, Any]) -> None:
    for name, values in part.items():
        assert settings[name] | values == settings[name]


def tiny_settings(text: str) -> str:
    """The tour's s2s.toml with a model of a few cells; metrics have all fields that there are."""
    for key, value in TINY.items():
        text, count = re.subn(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.M)
        assert count == 1, key
    text = text.replace("[train]\n", '[train]\nlog-every = 1\nvalidate-bleu = 20\ndevice = "cpu"\n')
    return re.sub(r"(\[(?:train|decode|rescore)\]\n)", r"\1threads = 1\n", text)


def lines(path: Path) -> list[str]:
    return path.read_bytes().decode().removesuffix("\n").split("\n")


def test_the_tour_gives_a_line_for_each_line(toured: Path) -> None:
    assert [
        len(lines(toured / name)) for name in ("out.fr", "ensemble.fr", "best.fr", "attentive.fr")
    ] == [10] * 4


def test_the_tour_trains_on_where_it_stopped(toured: Path) -> None:
    assert "model: already finished" in (toured / "stderr").read_text("utf-8")


def test_the_tour_prints_scores_an_interval_a_perplexity_and_a_bare_number(toured: Path) -> None:
    printed = (toured / "stdout").read_text("utf-8")
    (value,) = set(re.findall(r"^BLEU \(tokenised\) = ([\d.]+) ", printed, re.M))
    assert re.search(r"^BLEU \(tokenised\) = [\d.]+ \[-?[\d.]+, [\d.]+\] ", printed, re.M)
    assert re.search(r"^perplexity = ", printed, re.M)
    assert value in printed.split("\n")


def test_the_tour_scores_lines_as_the_example_says(toured: Path) -> None:
    (example,) = (each for each in blocks(PAGES["tour"], "text") if "\t" in each)
    assert example in (toured / "stdout").read_text("utf-8")
    numbers = [line.split("\t") for line in lines(toured / "worst-first.tsv")]
    assert [len(row) for row in numbers] == [6] * 10
    assert len(lines(toured / "log-probabilities.txt")) == 10


def test_the_tour_combines_what_it_kept(toured: Path) -> None:
    assert lines(toured / "tuned.fr") == lines(toured / "weighted.fr")
    assert "lstm already; no model is loaded" in (toured / "stderr").read_text("utf-8")
    printed = (toured / "stdout").read_text("utf-8")
    assert re.search(r"^BLEU \(tokenised\), oracle by .* = [\d.]+ ", printed, re.M)
    assert re.search(r"^BLEU \(tokenised\), difference .* paired bootstrap", printed, re.M)


def test_every_figure_of_the_page_is_drawn_with_its_data(toured: Path) -> None:
    for name in ("lengths", "rarity", "curves", "states", "beam", "attention"):
        assert (toured / f"{name}.svg").stat().st_size > 1000
        assert (toured / f"{name}.tsv").stat().st_size > 50
    assert "words that the model does not know" not in (toured / "stderr").read_text("utf-8")
    assert (toured / "longest.md").read_text("utf-8").startswith("### Line ")


def test_the_tour_adds_a_feature_to_every_line_of_the_list(toured: Path) -> None:
    before, after = lines(toured / "nbest.txt"), lines(toured / "nbest.lstm.txt")
    without = [re.sub(r" lstm= -[\d.]+", "", line) for line in after]
    assert without == before != after
    assert all(re.fullmatch(r"\d \|{3} .* \|{3} S2S0= \S+ \|{3} \S+", line) for line in before)


def test_the_program_without_pytorch_translates_as_decode_does(toured: Path) -> None:
    assert lines(toured / "greedy.fr") == lines(toured / "same.fr")
    assert len(set(lines(toured / "same.fr"))) > 1
    names = {path.name for path in (toured / "exported").iterdir()}
    rows = table(PAGES["onnx"], "file")
    assert names == {
        code(row[0]).replace("LANGUAGE", each) for row in rows for each in ("en", "fr")
    }


def test_the_example_in_python_runs(
    toured: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(toured)
    (program,) = blocks(PAGES["python"], "python")
    exec(compile(program, "example.py", "exec"), {})
    printed = capsys.readouterr().out.split("\n")
    assert len(printed) > 7
    assert printed[6].startswith("torch.Size([2, ")


def test_the_data_directory_holds_the_files_of_the_table(toured: Path) -> None:
    splits = {"{train,valid,test}": ("train", "valid", "test"), "{train,valid}": ("train", "valid")}
    names = set()
    for row in table(section("files", "Data directory"), "file"):
        name = code(row[0])
        group = next((each for each in splits if name.startswith(each)), "")
        for split in splits.get(group, ("",)):
            for language in ("en", "fr"):
                names.add(split + name.removeprefix(group).replace("LANGUAGE", language))
    assert names == {path.name for path in (toured / "data").iterdir()}


def test_the_model_directory_holds_the_files_of_the_table(toured: Path) -> None:
    rows = table(section("files", "Model directory"), "file")
    names = {code(row[0]).replace("LANGUAGE", each) for row in rows for each in ("en", "fr")}
    assert names == {path.name for path in (toured / "model").iterdir()}


def test_the_metrics_have_the_fields_of_the_table(toured: Path) -> None:
    told = {code(row[0]) for row in table(section("files", "metrics.jsonl"), "field")}
    fields = [set(json.loads(line)) for line in lines(toured / "model" / "metrics.jsonl")]
    assert set().union(*fields) == told
