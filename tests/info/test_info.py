"""What `s2s info` says of directories is what is in them."""

import json
import os
import re
import shutil
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from s2s_cli.commands.app import known_options
from s2s_cli.commands.settings_file import read_settings
from s2s_cli.data.corpus import Corpus
from s2s_cli.errors import UserError
from s2s_cli.files import write_json
from s2s_cli.info.directories import info_json, info_text, read_info
from s2s_cli.model.description import Description
from s2s_cli.training.record import TrainingRecord

GOLDEN = Path(__file__).parents[1] / "golden"


def told(path: Path) -> dict[str, Any]:
    text = info_json(path, read_info(path))
    assert "\n" not in text
    found: dict[str, Any] = json.loads(text)
    return found


def shown(path: Path) -> str:
    text = info_text(path, read_info(path))
    assert max(map(len, text.splitlines()[1:])) <= 80
    return text


def values(text: str) -> dict[str, str]:
    """The facts of a block, folded lines put together."""
    found: dict[str, str] = {}
    name = ""
    block, *_ = text.partition("\n\n")
    width = len(re.search(r"^  kind +", block, re.MULTILINE)[0])  # type: ignore[index]
    for line in block.splitlines()[1:]:
        name = line[:width].strip() or name
        found[name] = f"{found.get(name, '')} {line[width:].strip()}".strip()
    return found


@pytest.fixture(scope="module")
def experiment(tiny_experiment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained model and its data, with names that do not depend on the place."""
    place = tmp_path_factory.mktemp("info")
    for name in ("data", "model"):
        shutil.copytree(tiny_experiment / name, place / name)
    return place


def test_of_a_model_all_numbers_are_those_of_its_files(experiment: Path) -> None:
    model = experiment / "model"
    found, description = told(model), Description.read(model)
    weights = torch.load(model / "best.pt", weights_only=True)["model"]
    total = sum(each.numel() for each in weights.values())
    assert (found["kind"], found["parameters"]["total"]) == ("model", total)
    assert found["shape"]["hidden_size"] == description.shape.hidden_size == 16
    source = found["vocabularies"]["source"]
    assert (source["size"], source["language"]) == (len(description.source_vocabulary), "en")
    words = description.source_vocabulary
    assert source["most_frequent"] == dict(zip(words.words[:8], words.counts[:8], strict=True))
    assert found["facts"]["reverse_source"] is True
    assert found["training"] == json.loads((model / "training.json").read_bytes())
    sizes = {each.name: each.stat().st_size for each in model.iterdir() if each.name != ".lock"}
    assert found["files"] == sizes

    facts = values(shown(model))
    assert facts["kind"] == "model"
    assert facts["direction"] == "en → fr, the source read last word first"
    assert facts["shape"] == "1 layer of 16 cells in encoder and decoder; embeddings of 16"
    assert facts["parameters"] == f"{total:,}"
    assert facts["best.pt"] == f"{sizes['best.pt']:,}"
    assert facts["training"].startswith("finished: 160 updates")
    course = found["training"]["course"]
    assert f"after update {course['best_update']:,}," in facts["best weights"]
    assert facts["trained on"].startswith("200 pairs, validated on 20;")
    assert facts["trained with"].endswith(", 1 thread")


def test_its_settings_are_a_section_of_the_settings_file(experiment: Path, tmp_path: Path) -> None:
    record = TrainingRecord.read(experiment / "model")
    assert record is not None
    *_, section = shown(experiment / "model").partition("\n\n")
    path = tmp_path / "s2s.toml"
    path.write_text(section)
    assert tomllib.loads(section)["train"]["learning-rate"] == 0.03
    assert read_settings(path, known_options())["train"] == record.settings


def test_a_model_is_of_the_data_with_the_same_digest(experiment: Path) -> None:
    model, data = told(experiment / "model"), told(experiment / "data")
    assert model["training"]["data"]["sha256"] == data["corpus"]["sha256"]


def test_of_data_all_numbers_are_those_of_its_files(experiment: Path) -> None:
    data = experiment / "data"
    found, corpus = told(data), Corpus.open(data)
    assert found["kind"] == "data"
    assert found["prepared"]["train"] == {"read": 200, "kept": 200, "dropped": {}}
    assert found["corpus"]["splits"]["valid"]["pairs"] == 20
    words = found["corpus"]["splits"]["train"]["words"]
    assert words["en"] == int(corpus.train.source.lengths().sum())
    assert found["corpus"]["vocabularies"]["target"]["size"] == len(corpus.target_vocabulary)
    facts = values(shown(data))
    assert facts["covers"] == " ".join(2 * ["100.00 % of train, 100.00 % of valid"])
    assert facts["valid as ids"].startswith("20 pairs, ")


def test_pairs_that_were_dropped_and_words_that_are_unknown(
    experiment: Path, tmp_path: Path
) -> None:
    data = shutil.copytree(experiment / "data", tmp_path / "data")
    report = json.loads((data / "prep.json").read_bytes())
    report["splits"]["train"] = {"read": 1300, "kept": 200, "dropped": {"too long": 1100}}
    write_json(data / "prep.json", report)
    manifest = json.loads((data / "corpus.json").read_bytes())
    split = manifest["splits"]["train"]
    split["unknown"]["en"] = split["words"]["en"] // 4
    write_json(data / "corpus.json", manifest)
    text = shown(data)
    assert "200 pairs of 1,300; dropped: 1,100 too long" in text
    coverage = told(data)["corpus"]["splits"]["train"]["coverage"]["en"]
    assert coverage == pytest.approx(75, abs=0.3)
    (data / "corpus.json").unlink()
    assert "none yet; `s2s vocab` makes them" in shown(data)
    assert told(data)["corpus"] is None


def test_what_an_old_directory_does_not_say_is_said_to_be_unknown(tmp_path: Path) -> None:
    for path in sorted(GOLDEN.iterdir()):
        if path.is_dir() and (path / "vocab.en").is_file():
            unknown = "settings, data and" if path.name.startswith("model") else "there is no prep"
            assert ("not known" in shown(path)) and unknown in shown(path)
    assert told(GOLDEN / "model-1")["training"] is None
    own = shutil.copytree(GOLDEN / "model-1", tmp_path / "own")
    (own / "metrics.jsonl").write_text(
        '{"update": 5, "epoch": 0.5, "validation_perplexity": 12.5}\n'
        '{"update": 9, "epoch": 0.9, "validation_perplexity": 13.5}\n'
    )
    facts = values(shown(own))
    assert facts["lowest"] == "validation perplexity 12.50 after update 5"
    assert facts["measured until"].startswith("update 9, 0.90 epochs")


def test_shapes_beyond_the_paper_are_shown_as_the_options_that_make_them() -> None:
    facts = values(shown(GOLDEN / "model-2-attention"))
    assert "--attention" in facts["beyond the paper"]
    assert "--bidirectional" in facts["beyond the paper"]
    assert "attention" in facts


def test_a_training_that_went_through_several_environments(
    experiment: Path, tmp_path: Path
) -> None:
    model = shutil.copytree(experiment / "model", tmp_path / "model")
    record = TrainingRecord.read(model)
    assert record is not None
    (first,) = record.environments
    second = replace(
        first, after_update=100, device="NVIDIA H200", devices=8, processes=4, threads=2
    )
    course = replace(record.course, updates=120, finished="", skipped=2)
    replace(record, environments=(first, second), course=course).write(model)
    facts = values(shown(model))
    assert facts["training"] == (
        "not finished: 120 of 160 updates, 8.00 epochs, at the last checkpoint"
    )
    assert facts["skipped"].startswith("2 updates")
    assert facts["updates 1–100"].endswith(", 1 thread")
    assert facts["updates 101–120"].endswith("8 × NVIDIA H200, 4 processes with 2 threads each")
    replace(record, environments=(second,)).write(model)
    assert values(shown(model))["updates 1–100"] == "versions and devices are not known"
    replace(record, environments=()).write(model)  # its file was removed, or a version before 0.3
    assert values(shown(model))["trained with"] == "versions and devices are not known"


def test_a_model_that_has_no_weights_yet(experiment: Path, tmp_path: Path) -> None:
    model = shutil.copytree(experiment / "model", tmp_path / "model")
    for each in model.glob("*.pt"):
        each.unlink()
    assert values(shown(model))["weights"].startswith("none yet")


def test_a_file_of_weights_stands_for_its_directory(experiment: Path) -> None:
    found = told(experiment / "model" / "last.pt")
    assert found["path"].endswith("last.pt")
    assert {**found, "path": ""} == {**told(experiment / "model"), "path": ""}


def test_an_export(experiment: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from s2s_cli.model.onnx_export import export

    export(experiment / "model", tmp_path / "onnx")
    found, model = told(tmp_path / "onnx"), told(experiment / "model")
    assert found["kind"] == "export"
    for key in ("shape", "facts", "parameters", "vocabularies"):
        assert found[key] == model[key]
    assert "encoder.onnx" in shown(tmp_path / "onnx")
    (tmp_path / "onnx" / "vocab.fr").write_text("a\t1\n")
    with pytest.raises(UserError, match=r"export\.json: the vocabularies are not those"):
        read_info(tmp_path / "onnx")


@pytest.mark.parametrize("file", ["model.json", "training.json", "vocab.en"])
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"{")])
def test_a_damaged_model_is_one_sentence(
    file: str, damage: Callable[[Path], Any], experiment: Path, tmp_path: Path
) -> None:
    model = shutil.copytree(experiment / "model", tmp_path / "model")
    damage(model / file)
    if file == "training.json" and not (model / file).exists():
        assert "not known" in shown(model)
        return
    with pytest.raises(UserError) as raised:
        read_info(model)
    assert file in str(raised.value) or "model.json" in str(raised.value)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("corpus.json", b"{}"),
        ("facts.json", b"[]"),
        ("facts.json", None),
        ("prep.json", b'{"splits": {"train": {"read": 1}}}'),
        ("prep.json", b'{"splits": {"train": {"read": 1, "kept": 1, "dropped": {"x": -1}}}}'),
        ("prep.json", b'{"splits": []}'),
        ("vocab.fr", b"one\t1\n"),
    ],
)
def test_damaged_data_is_one_sentence(
    file: str, content: bytes | None, experiment: Path, tmp_path: Path
) -> None:
    data = shutil.copytree(experiment / "data", tmp_path / "data")
    (data / file).unlink()
    if content is not None:
        (data / file).write_bytes(content)
    with pytest.raises(UserError, match=file):
        read_info(data)


def test_what_no_command_wrote_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none: no such directory"):
        read_info(tmp_path / "none")
    with pytest.raises(UserError, match="is no directory of a model"):
        read_info(tmp_path)
    os.mkfifo(tmp_path / "model.json")
    with pytest.raises(UserError, match=r"not a model directory|is not a plain file"):
        read_info(tmp_path)


def test_names_that_could_drive_a_terminal_do_not(tmp_path: Path) -> None:
    own = shutil.copytree(GOLDEN / "model-1", tmp_path / "a\x1b[2Jb")
    (own / "evil\x1b[2J").write_text("")
    assert "\x1b" not in shown(own)
