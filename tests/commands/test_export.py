"""``s2s export`` writes what a program without PyTorch translates with."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import variants
from odd_models import loaded, s2s_here
from sentencepiece import SentencePieceProcessor

from s2s_cli.model.config import Shape
from s2s_cli.model.description import BEST, Description
from s2s_cli.model.directory import save_tensors
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.text.facts import Facts
from s2s_cli.text.vocabulary import Vocabulary

PAGE = Path(__file__).parents[2] / "docs/onnx.md"
KINDS = ["plain", "peeky-gru-concat", "feeding-all"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_model(name: str, directory: Path = Path("model")) -> None:
    """A model directory, whose model translates each source into something else."""
    shape = Shape(11, 9, layers=2, hidden_size=6, embedding_size=5)
    if name != "plain":
        shape = variants.shape(name)
    model = Seq2Seq(shape).requires_grad_(False)
    model.initialise(2.5, torch.Generator().manual_seed(0))
    source, target = (
        Vocabulary([f"{language}\t{index}" for index in range(size - 2)], [1] * (size - 2))
        for language, size in (("en", shape.source_vocabulary), ("fr", shape.target_vocabulary))
    )
    Description(shape, Facts("en", "fr", True, True, "any"), source, target).write(directory)
    save_tensors(directory / BEST, {"model": dict(model.state_dict())})


@pytest.mark.parametrize("name", KINDS)
def test_greedy_search_without_pytorch_is_a_beam_of_one(name: str, tmp_path: Path) -> None:
    model = tmp_path / "model"  # in this process, models are remembered by their paths
    write_model(name, model)
    done = s2s_here("export", "--model", model, "--onnx", "exported")
    assert (done.code, done.out) == (0, ""), done.told
    (program,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    text = "en0 en1 en2\n\nen8 other en3 en3 en4 en5 en6\nen7\nen4 en1\nen5  en6 en2 en2\n"
    text = text.replace("en", "en\t")  # no blank to these words
    Path("in").write_text(text)
    blocked = f"import sys; sys.modules['torch'] = sys.modules['s2s_cli'] = None\n{program}"
    run = subprocess.run(
        [sys.executable, "-c", blocked], input=text, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    files = ["--input", "in", "--output", "out"]
    decoded = s2s_here("decode", "--model", model, "--beam", "1", *files)
    assert decoded.code == 0, decoded.told
    assert run.stdout == Path("out").read_text("utf-8")
    assert len(set(run.stdout.split("\n"))) >= 5


def test_the_exported_pieces_split_words_as_decode_does() -> None:
    model = Path(__file__).parents[1] / "golden/model-2-bpe"
    assert s2s_here("export", "--model", model, "--onnx", "exported").code == 0
    splitter = SentencePieceProcessor(model_file="exported/subwords.en.model")
    sentences = loaded(model, tokenised=True).codec
    for line in [*(model / "lines.en").read_text("utf-8").split("\n"), "one▁two ☃☃ on"]:
        words = line.replace("▁", "&#9601;").split(" ")
        pieces = [piece for word in words for piece in splitter.encode(word, out_type=str)]
        assert pieces == sentences.source_words(line)
    write_model("plain")  # in the same place, a model of whole words has none
    assert s2s_here("export", "--onnx", "exported").code == 0
    assert not list(Path("exported").glob("subwords.*"))


def test_the_contents_name_files_and_what_goes_round() -> None:
    write_model("feeding-all")
    vocabularies = [Path(f"model/vocab.{each}").read_bytes() for each in ("en", "fr")]
    assert s2s_here("export", "--model", "model/best.pt", "--onnx", "a/b").code == 0
    about = json.loads(Path("a/b/export.json").read_text("utf-8"))
    assert (about["format"], about["reverse_source"]) == (1, True)
    copies = [Path("a/b", about["vocabularies"][side]) for side in ("source", "target")]
    assert [each.read_bytes() for each in copies] == vocabularies
    assert about["encoder"]["inputs"] == [
        {"name": "source", "type": "int64", "shape": ["length", "batch"]},
        {"name": "lengths", "type": "int32", "shape": ["batch"]},
    ]
    step = about["decoder_step"]
    shapes = {each["name"]: each["shape"] for each in step["inputs"] + step["outputs"]}
    assert shapes["log_probs"] == ["batch", 9]
    assert {shapes[one] == shapes[other] for one, other in step["feeds"].items()} == {True}
    given = {each["name"] for each in about["encoder"]["outputs"]}
    assert {each["name"] for each in step["inputs"]} == {*given, "token", "lengths"}
    assert set(step["feeds"].values()) == {"hidden", "cell", "found"}


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ([], 2, "export needs a directory to write: --onnx DIRECTORY"),
        (["--onnx", "out"], 1, "not a model directory"),
    ],
)
def test_mistakes_leave_nothing(arguments: list[str], code: int, told: str) -> None:
    done = s2s_here("export", *arguments)
    assert done.code == code
    assert told in done.told and done.told.count("\n") == 1
    assert not list(Path().iterdir())


def test_a_file_in_the_place_of_the_directory() -> None:
    write_model("plain")
    Path("out").write_text("mine")
    done = s2s_here("export", "--onnx", "out")
    assert (done.code, Path("out").read_text()) == (1, "mine")
    assert "cannot be written" in done.told and done.told.count("\n") == 1


@pytest.mark.parametrize("owner", ["model/model.json", "data/facts.json"])
def test_vocabularies_of_others_are_left_alone(owner: str) -> None:
    write_model("plain")
    Path(owner).parent.mkdir(exist_ok=True)
    Path(owner).touch()
    before = sorted(Path().glob("*/*"))
    done = s2s_here("export", "--onnx", Path(owner).parent)
    assert (done.code, sorted(Path().glob("*/*"))) == (1, before)
    assert "name a directory for the export alone" in done.told and done.told.count("\n") == 1
