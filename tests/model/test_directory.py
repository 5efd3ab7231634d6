"""Weights that are not the model's are refused when they are loaded, not met later."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from s2s_cli.errors import UserError
from s2s_cli.model.config import Shape
from s2s_cli.model.description import BEST, Description
from s2s_cli.model.directory import load_model, save_tensors
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.text.facts import Facts
from s2s_cli.text.vocabulary import Vocabulary

CPU = torch.device("cpu")
SHAPE = Shape(5, 5, layers=2, hidden_size=4, embedding_size=3)
NAME = "encoder.weight_hh_l1"


def describe(directory: Path, shape: Shape = SHAPE) -> None:
    facts = Facts("en", "fr", tokenised=True, reverse_source=False, tokeniser="none")
    vocabulary = Vocabulary(["a", "b", "c"], [3, 2, 1])
    Description(shape, facts, vocabulary, vocabulary).write(directory)


def weights() -> dict[str, Any]:
    model = Seq2Seq(SHAPE)
    model.initialise(0.5, torch.Generator().manual_seed(1))
    return dict(model.state_dict())


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    describe(tmp_path)
    save_tensors(tmp_path / BEST, {"model": weights()})
    model, description = load_model(tmp_path, CPU)
    assert description.shape == SHAPE
    for name, tensor in weights().items():
        assert torch.equal(model.state_dict()[name], tensor)


def with_nan(tensor: Tensor) -> Tensor:
    return tensor.index_fill(0, torch.tensor([2]), float("nan"))


SPOILT: dict[str, tuple[Callable[[Tensor], object], str]] = {
    "double": (lambda tensor: tensor.double(), NAME),
    "half": (lambda tensor: tensor.bfloat16(), NAME),
    "whole numbers": (lambda tensor: tensor.long(), "do not fit"),
    "complex": (lambda tensor: tensor.to(torch.complex64), NAME),
    "sparse": (lambda tensor: tensor.to_sparse(), "more than tables of numbers"),
    "other size": (lambda tensor: tensor[:-1], "do not fit"),
    "nan": (with_nan, "not finite"),
    "infinite": (lambda tensor: tensor / 0, "not finite"),
    "no tensor": (lambda tensor: [1.0], "do not fit"),
    "nested": (lambda tensor: {NAME: {NAME: tensor}}, "do not fit"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_other_weights_are_refused(case: str, tmp_path: Path) -> None:
    spoil, told = SPOILT[case]
    describe(tmp_path)
    content = weights()
    content[NAME] = spoil(content[NAME])
    save_tensors(tmp_path / BEST, {"model": content})
    with pytest.raises(UserError, match=told):
        load_model(tmp_path, CPU)


@pytest.mark.parametrize("change", [{"extra": torch.zeros(1)}, {1: torch.zeros(1)}])
def test_tensors_too_many_or_too_few_are_refused(change: Any, tmp_path: Path) -> None:
    describe(tmp_path)
    fewer = {name: tensor for name, tensor in weights().items() if name != NAME}
    for content in ({**weights(), **change}, {**fewer, **change}, fewer):
        save_tensors(tmp_path / BEST, {"model": content})
        with pytest.raises(UserError, match="do not fit"):
            load_model(tmp_path, CPU)


@pytest.mark.parametrize(
    "shape",
    [Shape(5, 5, 10**12, 4, 3), Shape(5, 5, 2, 2**40, 2**40), Shape(5, 5, 2, 4, 10**9)],
)
def test_a_shape_beyond_measure_is_refused_before_it_is_built(shape: Shape, tmp_path: Path) -> None:
    describe(tmp_path, shape)
    save_tensors(tmp_path / BEST, {"model": weights()})
    with pytest.raises(UserError, match="do not fit"):
        load_model(tmp_path, CPU)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"\x80\x02].", b"\x80\x02K\x01a.", b"a" * 5000, b"\x80\x02(."]
)
def test_bytes_of_any_kind_are_told_in_a_sentence(content: bytes, tmp_path: Path) -> None:
    describe(tmp_path)
    (tmp_path / BEST).write_bytes(content)
    with pytest.raises(UserError, match=r"best\.pt: damaged"):
        load_model(tmp_path, CPU)


@pytest.mark.parametrize(
    "pickled", [b"\x80\x02.", b"\x80\x02h\x07.", b"\x80\x02K\x01K\x02R.", b"\x80"]
)
def test_a_damaged_pickle_in_a_sound_archive_is_told_so_too(pickled: bytes, tmp_path: Path) -> None:
    describe(tmp_path)
    save_tensors(tmp_path / "sound.pt", {"model": weights()})
    with (
        zipfile.ZipFile(tmp_path / "sound.pt") as sound,
        zipfile.ZipFile(tmp_path / BEST, "w") as spoilt,
    ):
        for name in sound.namelist():
            is_pickle = name.endswith("data.pkl")
            spoilt.writestr(name, pickled if is_pickle else sound.read(name))
    with pytest.raises(UserError, match=r"best\.pt: damaged"):
        load_model(tmp_path, CPU)
