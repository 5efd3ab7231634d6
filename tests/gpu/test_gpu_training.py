"""Training on a GPU: what it computes, and that it resumes as if it had never stopped."""

import re
from pathlib import Path
from typing import Any

import torch
from gpus import Gpus

SMALL = ["--hidden-size", "32", "--embedding-size", "24", "--batch-size", "16", "--log-every", "1"]
DROPOUT = ["--layers", "3", "--dropout", "0.2", "--save-every", "2"]


def train(gpus: Gpus, experiment: Path, model: Path, *options: str) -> str:
    """Train a small model; what was said."""
    run = gpus.s2s(
        *("train", "--data", experiment / "data", "--model", model, "--threads", "1"),
        *(*SMALL, *options),
        cwd=model.parent,
    )
    assert run.returncode == 0, run.stderr.decode()
    assert not re.search(rb"[Ww]arning", run.stderr), run.stderr.decode()
    return run.stderr.decode()


def checkpoint(model: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(model / "last.pt", weights_only=True, map_location="cpu")
    return content


def test_a_training_with_dropout_resumes_with_the_same_bits(
    either_gpus: Gpus, tiny_experiment: Path, tmp_path: Path
) -> None:
    options = ["--device", "cuda", *DROPOUT]
    straight, resumed = tmp_path / "straight", tmp_path / "resumed"
    train(either_gpus, tiny_experiment, straight, *options, "--max-updates", "4")
    for updates in ("2", "4"):
        train(either_gpus, tiny_experiment, resumed, *options, "--max-updates", updates)
    one, other = checkpoint(straight), checkpoint(resumed)
    assert one["model"].keys() == other["model"].keys()
    for name, weights in one["model"].items():
        assert torch.equal(weights, other["model"][name]), name
    assert torch.equal(one["random"]["cuda"][0], other["random"]["cuda"][0])


# With so little dropout, none is dropped. Both directions of time, so that states are given, too.
LAYERS_WITH_DROPOUT = """
import torch
from torch.nn.utils.rnn import pack_sequence
from s2s_cli.model.recurrent import recurrent_layers

torch.set_default_dtype(torch.float64)
for cell, kinds in ("lstm", 2), ("gru", 1), ("rnn", 1):
    torch.manual_seed(1)
    layers = recurrent_layers(cell, 5, 6, 3, 1e-14)
    rows = pack_sequence([torch.randn(n, 5) for n in (2, 4, 1)], enforce_sorted=False)
    states = tuple(torch.randn(3, 3, 6) for _ in range(kinds))
    found = []
    for device in "cpu", "cuda", "cpu", "cuda":
        layers.to(device).zero_grad()
        output, last = layers(rows.to(device), tuple(each.to(device) for each in states))
        (output.data.square().sum() + sum(each.sin().sum() for each in last)).backward()
        results = output.data, *last, *(each.grad for each in layers.parameters())
        found.append([each.cpu().clone() for each in results])
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-11)
    assert "alone" not in " ".join(layers.state_dict())
"""


def test_layers_with_dropout_between_them_are_those_of_a_cpu(
    either_gpus: Gpus, tmp_path: Path
) -> None:
    run = either_gpus.s2s("-W", "error::UserWarning", "-c", LAYERS_WITH_DROPOUT, cwd=tmp_path)
    assert run.returncode == 0, run.stderr.decode()
