"""Averages of checkpoints are models; checkpoints of different models have none."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small import CPU, SHAPE, run, small_corpus

from s2s_cli.errors import UsageError, UserError
from s2s_cli.info.directories import info_text, read_info
from s2s_cli.model.config import Shape
from s2s_cli.model.description import Description
from s2s_cli.model.directory import load_model, save_tensors
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.text.vocabulary import Vocabulary
from s2s_cli.training.averaging import average_weights


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that kept the weights of updates 10, 20 and 30."""
    directory = tmp_path_factory.mktemp("trained") / "model"
    with pytest.MonkeyPatch.context() as patch:
        small_corpus(patch)
        run(directory, optimiser="adam", learning_rate=0.02, keep=3, validate_every=10)
    return directory


def weights(path: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["model"]
    return found


def files(directory: Path) -> list[str]:
    return sorted(each.name for each in directory.iterdir())


def test_every_weight_is_the_mean_of_those_of_the_checkpoints(
    trained: Path, tmp_path: Path
) -> None:
    output = tmp_path / "new" / "average"
    paths = [trained / f"update-{each}.pt" for each in (20, 30)]
    assert average_weights([trained], 2, output) == paths
    found, members = weights(output / "best.pt"), [weights(each) for each in paths]
    assert found.keys() == members[0].keys()
    for name, mean in found.items():
        assert not torch.equal(mean, members[0][name])
        exact = torch.stack([each[name].double() for each in members]).mean(0).float()
        torch.testing.assert_close(mean, exact, rtol=0, atol=0)


def test_sums_are_of_64_bits(trained: Path, tmp_path: Path) -> None:
    own = shutil.copytree(trained, tmp_path / "own")
    values = [1e8, 1.0, -1e8, 3.0, 2.5]
    paths = []
    for number, value in enumerate(values, 1):
        content = {
            name: torch.full_like(each, value) for name, each in weights(own / "best.pt").items()
        }
        paths.append(own / f"update-{number}.pt")
        save_tensors(paths[-1], {"model": content})
    average_weights(paths, 0, tmp_path / "average")
    mean = math.fsum(values) / len(values)
    for each in weights(tmp_path / "average" / "best.pt").values():
        assert each.dtype == torch.float32
        assert torch.equal(each, torch.full_like(each, mean))


def test_it_is_a_model_directory_that_says_what_it_is(trained: Path, tmp_path: Path) -> None:
    output = tmp_path / "average"
    average_weights([trained], 0, output)
    assert files(output) == [
        *("average.json", "best.pt", "model.json", "training.json", "vocab.en", "vocab.fr"),
    ]
    _, description = load_model(output, CPU)
    assert description.as_json() == Description.read(trained).as_json()
    names = [str(trained / f"update-{each}.pt") for each in (10, 20, 30)]
    assert json.loads((output / "average.json").read_bytes()) == {"format": 1, "files": names}
    text = info_text(output, read_info(output))
    assert "  average of " in text
    assert "update-10.pt" in text
    assert "finished: 30 updates" in text
    assert "best weights" not in text  # those of the training, not these
    assert "learning-rate = 0.02" in text


def test_an_average_is_replaced_and_nothing_else_is(trained: Path, tmp_path: Path) -> None:
    output = tmp_path / "average"
    first = [trained / "update-10.pt", trained / "update-20.pt"]
    average_weights([trained], 0, output)
    before = weights(output / "best.pt")
    average_weights(first, 0, output)
    assert not torch.equal(weights(output / "best.pt")["softmax.bias"], before["softmax.bias"])
    for name in ("model.json", "last.pt", "facts.json", "export.json", "training.json"):
        other = tmp_path / name
        other.mkdir()
        (other / name).write_text("{}")
        with pytest.raises(UserError, match=f"is no average and has a {name} already"):
            average_weights(first, 0, other)
        assert files(other) == [name]


def test_a_training_does_not_go_on_from_an_average(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_corpus(monkeypatch)
    average_weights([trained], 0, tmp_path / "average")
    with pytest.raises(UserError, match=r"holds a trained model \(best\.pt\) but no last\.pt"):
        run(tmp_path / "average")


def changed(trained: Path, place: Path, change: str) -> Path:
    """A checkpoint of a model that differs from the trained one."""
    own = shutil.copytree(trained, place / "own")
    description = Description.read(own)
    facts, shape, source = description.facts, description.shape, description.source_vocabulary
    match change:
        case "shape":
            shape = Shape.of(SHAPE, shape.source_vocabulary, shape.target_vocabulary)
            shape = replace(shape, layers=1)
        case "facts":
            facts = replace(facts, reverse_source=True)
        case "vocabularies":
            source = Vocabulary(source.words[::-1], source.counts)
    Description(shape, facts, source, description.target_vocabulary).write(own)
    model = Seq2Seq(shape)
    model.initialise(0.1, torch.Generator())
    save_tensors(own / "best.pt", {"model": model.state_dict()})
    return own / "best.pt"


@pytest.mark.parametrize("change", ["shape", "facts", "vocabularies"])
def test_checkpoints_of_different_models_have_no_average(
    change: str, trained: Path, tmp_path: Path
) -> None:
    other = changed(trained, tmp_path, change)
    with pytest.raises(UserError, match=f"own: its {change} differ"):
        average_weights([trained / "best.pt", other], 0, tmp_path / "average")
    assert not (tmp_path / "average").exists()


def test_checkpoints_of_several_directories_are_warned_of(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = shutil.copytree(trained, tmp_path / "own")
    average_weights([trained / "best.pt", own / "update-10.pt"], 0, tmp_path / "average")
    assert "are of several directories" in capsys.readouterr().err
    assert not (tmp_path / "average" / "training.json").exists()
    found = info_text(tmp_path / "average", read_info(tmp_path / "average"))
    assert "not known: the checkpoints are of several directories" in found


def test_a_weight_that_does_not_fit_its_description(trained: Path, tmp_path: Path) -> None:
    own = shutil.copytree(trained, tmp_path / "own")
    content = weights(own / "best.pt")
    content["softmax.bias"] = content["softmax.bias"][:-1]
    save_tensors(own / "update-5.pt", {"model": content})
    with pytest.raises(UserError, match=r"update-5\.pt: its weights do not fit"):
        average_weights([own], 0, tmp_path / "average")
    (own / "update-5.pt").write_bytes(b"cut")
    with pytest.raises(UserError, match=r"update-5\.pt: damaged"):
        average_weights([own], 0, tmp_path / "average")
    assert not (tmp_path / "average").exists()


@pytest.mark.parametrize(
    ("names", "number", "error", "message"),
    [
        (["model/best.pt"], 0, UsageError, "needs two checkpoints"),
        (["model"], 1, UsageError, "needs two checkpoints"),
        (["model"], 4, UserError, "has 3 kept weights, fewer than --number 4"),
        (["model", "model/update-10.pt"], 0, UsageError, "is given twice"),
        (["none"], 0, UserError, "none: no such file or directory"),
        (["."], 0, UserError, r"has no kept weights \(update-N\.pt\); train with --keep"),
    ],
)
def test_what_is_no_set_of_checkpoints_is_refused(
    names: list[str],
    number: int,
    error: type[Exception],
    message: str,
    trained: Path,
    tmp_path: Path,
) -> None:
    with pytest.raises(error, match=message):
        average_weights([trained.parent / each for each in names], number, tmp_path / "average")
    assert not (tmp_path / "average").exists()


def test_a_full_disk_is_told_of_before_anything_is_written(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full: Any = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: full)
    with pytest.raises(UserError, match=r"best\.pt: needs [\d,]+ bytes, and 1,000 are free"):
        average_weights([trained], 0, tmp_path / "average")
    assert not (tmp_path / "average").exists()
