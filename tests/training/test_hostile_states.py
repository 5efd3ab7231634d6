"""A checkpoint's optimiser states are such as the training could have written, or are refused."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from small import CPU, assert_same, final, run, small_corpus

from s2s_cli.distributed import state_dicts
from s2s_cli.errors import DamagedFileError
from s2s_cli.model.config import Shape
from s2s_cli.model.description import LAST, Description
from s2s_cli.model.directory import PREVIOUS
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.training.checkpoint import Checkpoints, Restored
from s2s_cli.training.optimisers import Optimisers
from s2s_cli.training.progress import Identity

ADAM: dict[str, Any] = {"optimiser": "adam", "learning_rate": 0.01, "epochs": 0.5, "save_every": 2}
DENSE, TABLES = 0, 1  # the two optimisers
Content = dict[str, Any]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        small_corpus(patch)
        run(directory, **ADAM)
    return directory


@pytest.fixture
def model(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "model")


def change(path: Path, how: Callable[[Content], object]) -> None:
    content = torch.load(path, weights_only=True)
    how(content)
    torch.save(content, path)


def restored(directory: Path) -> tuple[Restored | None, list[Content]]:
    """What a training goes on with, and its optimisers in full, as they are at the next update."""
    network = Seq2Seq(Description.read(directory).shape)
    optimisers = Optimisers.of("adam", network)
    saved = torch.load(directory / PREVIOUS, weights_only=True)["settings"]
    found = Checkpoints(directory, network, optimisers, Identity(saved), CPU).restore()
    states = state_dicts.optimiser_state_dicts(optimisers.each, network)
    return found, states


def state(content: Content, optimiser: int) -> Content:
    found: Content = content["optimisers"][optimiser]["state"][0]
    return found


def put(optimiser: int, key: str, value: Any) -> Callable[[Content], object]:
    return lambda content: state(content, optimiser).update({key: value})


def fill(key: str, value: float) -> Callable[[Content], object]:
    def how(content: Content) -> None:
        state(content, DENSE)[key].view(-1)[-1] = value

    return how


def convert(key: str, to: Callable[[torch.Tensor], Any]) -> Callable[[Content], object]:
    def how(content: Content) -> None:
        state(content, DENSE)[key] = to(state(content, DENSE)[key])

    return how


HOSTILE: dict[str, Callable[[Content], object]] = {
    "NaN in the first moment": fill("exp_avg", float("nan")),
    "infinite first moment": fill("exp_avg", float("-inf")),
    "infinite second moment": fill("exp_avg_sq", float("inf")),
    "negative second moment": fill("exp_avg_sq", -1e-9),
    "double": convert("exp_avg", torch.Tensor.double),
    "whole numbers": convert("exp_avg", torch.Tensor.int),
    "flat": convert("exp_avg", torch.Tensor.flatten),
    "one number": convert("exp_avg", lambda values: values.flatten()[0]),
    "sparse": convert("exp_avg", torch.Tensor.to_sparse),
    "list": convert("exp_avg_sq", torch.Tensor.tolist),
    "no second moment": lambda content: state(content, DENSE).pop("exp_avg_sq"),
    "another moment": lambda content: state(content, DENSE).update(
        max_exp_avg_sq=state(content, DENSE)["exp_avg_sq"]
    ),
    "no step": lambda content: state(content, DENSE).pop("step"),
    "step 0": put(DENSE, "step", torch.tensor(0.0)),
    "step below 0": put(DENSE, "step", torch.tensor(-3.0)),
    "step NaN": put(DENSE, "step", torch.tensor(float("nan"))),
    "step infinite": put(DENSE, "step", torch.tensor(float("inf"))),
    "step and a half": put(DENSE, "step", torch.tensor(1.5)),
    "steps": put(DENSE, "step", torch.tensor([1.0, 2.0])),
    "step an int": put(DENSE, "step", 3),
    "step of a table a tensor": put(TABLES, "step", torch.tensor(3.0)),
    "step of a table endless": put(TABLES, "step", 10**30),
    "step of a table 0": put(TABLES, "step", 0),
    "step of a table true": put(TABLES, "step", True),
    "another parameter": lambda content: content["optimisers"][DENSE]["state"].update(
        {99: state(content, DENSE)}
    ),
    "a name": lambda content: content["optimisers"][DENSE]["state"].update(x={}),
    "states in a list": lambda content: content["optimisers"][DENSE].update(state=[]),
    "state in a list": lambda content: content["optimisers"][DENSE]["state"].update({0: [1]}),
    "one optimiser": lambda content: content["optimisers"].pop(),
    "no optimisers": lambda content: content.update(optimisers=None),
    "updates below 0": lambda content: content["progress"].update(updates=-1),
    "updates endless": lambda content: content["progress"].update(updates=10**400),
    "products a list": lambda content: content.update(products=[]),
    "products by another library": lambda content: content.update(
        products={"processor": "AVX2", "libraries": {"float32 1x1x1": "abacus"}}
    ),
    "products of no name": lambda content: content.update(
        products={"processor": "AVX2", "libraries": {1: "torch"}}
    ),
    "perplexity NaN": lambda content: content["progress"].update(best_perplexity=float("nan")),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_states_that_no_training_writes_are_damage(
    name: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(model / LAST, HOSTILE[name])
    found, optimisers = restored(model)
    assert found is not None
    assert found.path.name == PREVIOUS
    assert f"{LAST}: damaged" in capsys.readouterr().err
    (model / LAST).unlink()
    assert_same(optimisers, restored(model)[1])  # nothing of the damaged one is left

    (model / PREVIOUS).replace(model / LAST)
    shutil.copy(model / LAST, model / PREVIOUS)
    for each in (LAST, PREVIOUS):
        change(model / each, HOSTILE[name])
    with pytest.raises(DamagedFileError, match=f"{PREVIOUS}: damaged"):
        restored(model)


def test_sgd_remembers_nothing() -> None:
    optimisers = Optimisers.of("sgd", Seq2Seq(Shape(4, 4, 1, 2, 2)))
    momentum = {"momentum_buffer": torch.zeros(2, 2)}
    with pytest.raises(ValueError, match="without moments"):
        optimisers.check_state(optimisers.each[0], momentum, torch.zeros(2, 2))


@pytest.mark.parametrize("settings", [ADAM, {**ADAM, "optimiser": "sgd"}], ids=["adam", "sgd"])
def test_no_setting_of_an_optimiser_is_taken_from_a_file(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint of before had them; whatever they are, the training is the same."""
    small_corpus(monkeypatch)
    for name in ("straight", "hostile"):
        run(tmp_path / name, **settings)
    evil = {"lr": 9.0, "betas": (0.0, 0.0), "maximize": True, "fused": "yes", "params": [7] * 9}

    def put_groups(content: Content) -> None:
        for each in content["optimisers"]:
            assert set(each) == {"state"}
            each["param_groups"] = [evil, evil]

    change(tmp_path / "hostile" / LAST, put_groups)
    for name in ("straight", "hostile"):
        run(tmp_path / name, **{**settings, "epochs": 1})
    assert_same(final(tmp_path / "hostile"), final(tmp_path / "straight"))
