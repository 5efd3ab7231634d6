"""Models beyond the paper's are trained, stopped and resumed like the paper's."""

from pathlib import Path
from typing import Any

import pytest
import small
import torch
from small import CPU, SHAPE, assert_same, final, metrics, sized, small_corpus
from variants import OPTIONS

from s2s_cli.data.corpus import Corpus
from s2s_cli.distributed.replica import Replica
from s2s_cli.distributed.state_dicts import model_state_dict
from s2s_cli.errors import UserError
from s2s_cli.model.config import ModelConfig, Shape
from s2s_cli.planning.plan import make_plan
from s2s_cli.training.config import TrainingConfig
from s2s_cli.training.loop import train
from s2s_cli.training.trainer import Trainer

LEARNING: dict[str, Any] = {"optimiser": "adam", "learning_rate": 0.01, "dropout": 0.2}


@pytest.fixture(autouse=True)
def corpus(monkeypatch: pytest.MonkeyPatch) -> Corpus:
    return small_corpus(monkeypatch)


def config_of(name: str) -> ModelConfig:
    sizes = {"layers": 2, "hidden_size": 12, "embedding_size": 10}
    return ModelConfig(**{**sizes, **OPTIONS[name]})


@pytest.mark.parametrize(
    ("name", "precision"),
    [("feeding-all", "fp32"), ("peeky-gru-concat", "bf16"), ("additive", "fp32")],
)
def test_stopped_and_resumed_it_is_the_same_training(
    name: str, precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small, "SHAPE", config_of(name))
    settings = {**LEARNING, "precision": precision, "epochs": 1.5}
    assert small.run(tmp_path / "whole", **settings).finished
    assert not small.run(tmp_path / "parts", **settings, max_minutes=1e-9).finished
    assert small.run(tmp_path / "parts", **settings).finished
    assert_same(final(tmp_path / "whole"), final(tmp_path / "parts"))
    assert metrics(tmp_path / "whole") == metrics(tmp_path / "parts")


@pytest.mark.parametrize("name", ["dot", "gru", "bidirectional"])
def test_it_learns(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small, "SHAPE", config_of(name))
    small.run(tmp_path / "model", optimiser="adam", learning_rate=0.02)
    losses = [each["loss"] for each in metrics(tmp_path / "model") if "loss" in each]
    assert losses[-1] < 0.9 * losses[0]


def test_copies_share_a_batch(corpus: Corpus, tmp_path: Path) -> None:
    """The gradients of two halves add up to that of the whole: what `--layout data` relies on."""
    config = TrainingConfig(batch_size=32)
    trainer = Trainer(
        corpus, tmp_path, sized(config_of("feeding-all"), corpus), config, Replica((CPU,))
    )
    sentences = torch.arange(31)

    def gradient(numbers: torch.Tensor) -> list[torch.Tensor]:
        trainer.gradient(numbers, 32)
        return [
            each.grad.to_dense().clone()
            for each in trainer.model.parameters()
            if each.grad is not None
        ]

    halves = [gradient(sentences[rank::2]) for rank in range(2)]
    summed = [one + other for one, other in zip(*halves, strict=True)]
    torch.testing.assert_close(gradient(sentences), summed, rtol=1e-4, atol=1e-6)


def test_another_variant_s_training_is_not_gone_on_with(tmp_path: Path) -> None:
    config = TrainingConfig(batch_size=32, max_updates=1)
    train(Path("data"), tmp_path, config_of("gru"), config, Replica((CPU,)))
    with pytest.raises(UserError, match="cell was gru, now lstm"):
        train(Path("data"), tmp_path, SHAPE, config, Replica((CPU,)))
    with pytest.raises(UserError, match="cell was gru, now rnn"):
        train(Path("data"), tmp_path, config_of("rnn"), config, Replica((CPU,)))


def test_it_is_not_spread_over_devices(corpus: Corpus, tmp_path: Path) -> None:
    config = TrainingConfig(batch_size=32, max_updates=1)
    with pytest.raises(UserError, match="--layout data gives each device a copy"):
        train(Path("data"), tmp_path, config_of("gru"), config, Replica((CPU, CPU)))
    with pytest.raises(UserError, match="--layout data gives each device a copy"):
        make_plan(corpus, config_of("peeky"), config, (CPU, CPU), "model")
    assert not (tmp_path / "last.pt").exists()


def test_every_weight_is_saved(tmp_path: Path, corpus: Corpus) -> None:
    trainer = Trainer(
        corpus, tmp_path, sized(config_of("general"), corpus), TrainingConfig(), Replica((CPU,))
    )
    named = dict(trainer.model.named_parameters())
    assert list(model_state_dict(trainer.model)) == list(named)
    assert {"attention.query.weight", "encoder_backward.weight_hh_l1", "bridge.linear.bias"} <= set(
        named
    )
    assert Shape.of(config_of("general"), 20, 20) == trainer.shape
