"""Memory that runs out: the largest batch comes first, and what is too large is split."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from small import CPU, assert_same, final, metrics, run, small_corpus, split

from s2s_cli.data.batches import Batch, count_pair_words, plan_epoch, plan_in_order
from s2s_cli.data.corpus import Corpus
from s2s_cli.distributed.replica import Replica
from s2s_cli.model.config import Shape, TrainingPrecision
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.training import losses, update
from s2s_cli.training.config import TrainingConfig
from s2s_cli.training.optimisers import Optimisers
from s2s_cli.training.update import BatchGradient, largest_batch, step

SHAPE = Shape(layers=2, hidden_size=6, embedding_size=5, source_vocabulary=20, target_vocabulary=20)
PAIRS = split(60, 3)


@pytest.fixture(autouse=True)
def corpus(monkeypatch: pytest.MonkeyPatch) -> Corpus:
    return small_corpus(monkeypatch)


@pytest.fixture
def model() -> Iterator[Seq2Seq]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    model = Seq2Seq(SHAPE, dropout=0.0)
    model.initialise(0.5, torch.Generator().manual_seed(1))
    yield model
    torch.set_default_dtype(before)


def memory_for(monkeypatch: pytest.MonkeyPatch, sentences: int) -> list[int]:
    """Have memory run out for more sentences than that, late: what is there by then is wrong."""
    real, sizes = update.backward, list[int]()

    def backward(
        model: Any, batch: Batch, batch_size: float, precision: TrainingPrecision
    ) -> torch.Tensor:
        sizes.append(batch.sentences)
        loss = real(model, batch, batch_size, precision)
        if batch.sentences > sentences:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return loss

    monkeypatch.setattr(update, "backward", backward)
    return sizes


def gradients(model: Seq2Seq) -> list[torch.Tensor]:
    found = [each.grad for each in model.parameters()]
    return [each.to_dense() if each.is_sparse else each for each in found if each is not None]


@pytest.mark.parametrize("sentences", [1, 2, 7, 20, 30])
def test_parts_have_the_gradient_of_the_whole(
    sentences: int, model: Seq2Seq, monkeypatch: pytest.MonkeyPatch
) -> None:
    gradient = BatchGradient(model, PAIRS, CPU, TrainingConfig())
    batch = torch.arange(9, 40)
    loss, expected = gradient(batch, 32), gradients(model)
    sizes = memory_for(monkeypatch, sentences)
    found = gradient(batch, 32)
    assert len(sizes) > 2 and max(sizes) == 31  # it was tried whole, and then in parts
    torch.testing.assert_close(found, loss, rtol=1e-12, atol=0)
    assert len(expected) == len(list(model.parameters()))
    for one, other in zip(gradients(model), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-14)


def test_a_gradient_is_that_of_training_also_after_a_validation(model: Seq2Seq) -> None:
    model.eval()
    BatchGradient(model, PAIRS, CPU, TrainingConfig())(torch.arange(9), 9)
    assert model.training, "dropout is on again"


def test_a_training_in_parts_is_the_same_to_rounding_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "whole")
    capsys.readouterr()
    memory_for(monkeypatch, 10)
    run(tmp_path / "parts")
    told = capsys.readouterr().err
    assert told.count("in parts") == 1
    assert told.index("in parts") < told.index("update 4 ")  # at the start
    one, other = (final(tmp_path / each)["model"] for each in ("parts", "whole"))
    for name in other:
        torch.testing.assert_close(one[name], other[name], rtol=1e-4, atol=1e-6)
    means = [
        [line["loss"] for line in metrics(tmp_path / each) if "loss" in line]
        for each in ("parts", "whole")
    ]
    assert means[0] == pytest.approx(means[1], rel=1e-5)


def test_validation_is_computed_in_parts_and_its_largest_batch_is_tried_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "whole")
    assert "in parts" not in capsys.readouterr().err
    real, sizes = losses.batch_loss, list[int]()

    def batch_loss(model: Any, batch: Batch) -> torch.Tensor:
        sizes.append(batch.sentences)
        loss = real(model, batch)
        if batch.sentences > 10:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return loss

    monkeypatch.setattr(losses, "batch_loss", batch_loss)
    run(tmp_path / "parts")
    told = capsys.readouterr().err
    assert told.count("largest validation batches: they are computed in parts") == 1
    assert told.index("in parts") < told.index("update 4 ")
    # 40 pairs: at the start their 32 in four parts, and never again in fewer.
    assert sizes[:6] == [32, 16, 8, 8, 8, 8]
    assert max(sizes[6:]) <= 10
    assert_same(final(tmp_path / "parts")["model"], final(tmp_path / "whole")["model"])
    perplexities = [
        [line["validation_perplexity"] for line in metrics(tmp_path / each) if "loss" not in line]
        for each in ("parts", "whole")
    ]
    assert perplexities[0] == pytest.approx(perplexities[1], rel=1e-6)


def test_what_is_too_large_in_any_case_is_known_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = memory_for(monkeypatch, 0)
    with pytest.raises(torch.OutOfMemoryError):
        run(tmp_path / "model")
    assert sizes == [32, 16, 8, 4, 2, 1]  # the first of the parts each time
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("batch_size", [1, 7, 32, 1000])
def test_the_largest_batch_has_the_most_words(batch_size: int) -> None:
    pairs = split(300, 1)
    plan = plan_epoch(pairs, batch_size, 1, 0)
    most = max(sum(count_pair_words(pairs, each)) for each in plan)
    assert sum(count_pair_words(pairs, largest_batch(pairs, plan))) == most


def test_the_largest_batch_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = update.backward

    def backward(model: Any, batch: Batch, *rest: Any, **options: Any) -> torch.Tensor:
        seen.append(len(batch.source.data) + len(batch.words))
        return real(model, batch, *rest, **options)

    monkeypatch.setattr(update, "backward", backward)
    run(tmp_path / "model", max_updates=10)
    pairs = Corpus.open(Path()).train
    words = [sum(count_pair_words(pairs, each)) + len(each) for each in plan_in_order(pairs, 32)]
    assert seen[0] == max(words)
    assert len(seen) == 11
    # When the training goes on, it may do so on another machine.
    run(tmp_path / "model", max_updates=11)
    assert seen[11] == max(words)


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_trying_changes_nothing_and_takes_what_the_first_step_takes(
    optimiser: Any, model: Seq2Seq
) -> None:
    model.dropout.p = 0.3
    gradient = BatchGradient(model, PAIRS, CPU, TrainingConfig())
    optimisers = Optimisers.of(optimiser, model)
    before = {name: each.clone() for name, each in model.state_dict().items()}
    random = torch.get_rng_state()
    gradient.rehearse(torch.arange(32), optimisers, Replica((CPU,)))
    assert torch.equal(torch.get_rng_state(), random)
    assert_same(dict(model.state_dict()), before)
    assert all(each.grad is None for each in model.parameters())
    assert all(not each.state for each in optimisers.each)

    room = sum(each.numel() for each in optimisers.reserved_moments())
    gradient(torch.arange(32), 32)
    step(optimisers, 0.1, 1.0)
    moments = [
        value
        for each in optimisers.each
        for state in each.state.values()
        for value in state.values()
        if isinstance(value, torch.Tensor) and value.dim() > 0
    ]
    assert room == sum(each.numel() for each in moments)
    assert optimisers.reserved_moments() == []
