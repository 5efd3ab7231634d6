"""Training as a whole: it learns, ends where it is told, and tells what it did."""

import dataclasses
import itertools
import json
import math
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from small import CPU, assert_same, final, metrics, run, small_corpus
from variants import log_prob

from s2s_cli.data.corpus import Corpus
from s2s_cli.errors import UserError
from s2s_cli.locks import try_lock
from s2s_cli.model import precision
from s2s_cli.model.directory import load_model
from s2s_cli.training import trainer
from s2s_cli.training.losses import perplexity
from s2s_cli.training.trainer import Trainer
from s2s_cli.training.update import gradient_norm


@pytest.fixture(autouse=True)
def corpus(monkeypatch: pytest.MonkeyPatch) -> Corpus:
    return small_corpus(monkeypatch)


def test_a_finished_training_is_left_alone(tmp_path: Path) -> None:
    run(tmp_path / "model")
    before = {each: (each.stat().st_mtime_ns, each.read_bytes()) for each in tmp_path.rglob("*.*")}
    assert run(tmp_path / "model").finished
    after = {each: (each.stat().st_mtime_ns, each.read_bytes()) for each in tmp_path.rglob("*.*")}
    assert after == before
    assert len(before) >= 6


def test_settings_that_matter_may_not_change(tmp_path: Path) -> None:
    run(tmp_path / "model", epochs=1)
    with pytest.raises(UserError, match=r"learning-rate was 0\.7, now 0\.5; seed was 1, now 2"):
        run(tmp_path / "model", learning_rate=0.5, seed=2)
    with pytest.raises(UserError, match=r"dropout was 0\.0, now 0\.2"):
        run(tmp_path / "model", dropout=0.2)
    assert run(tmp_path / "model", epochs=2, log_every=7, threads=0).finished


def test_other_data_are_another_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path / "model", epochs=1)
    other = dataclasses.replace(Corpus.open(Path()), digest="other")
    monkeypatch.setattr(Corpus, "open", classmethod(lambda cls, directory: other))
    with pytest.raises(UserError, match="the data"):
        run(tmp_path / "model", epochs=2)


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_an_older_version_s_training_is_refused_in_a_sentence(
    tmp_path: Path, optimiser: str
) -> None:
    """One whose Adam moved all rows of the embeddings at each update, say."""
    run(tmp_path / "model", epochs=1, optimiser=optimiser)
    path = tmp_path / "model" / "last.pt"
    content = torch.load(path, weights_only=True)
    del content["settings"]["version"]
    content["optimiser"] = content.pop("optimisers")[0]
    torch.save(content, path)
    with pytest.raises(UserError, match="that another version of s2s began; go on with"):
        run(tmp_path / "model", epochs=2, optimiser=optimiser)


def test_it_learns_and_keeps_the_best(tmp_path: Path) -> None:
    run(tmp_path / "model", epochs=12, optimiser="adam", learning_rate=0.02, batch_size=16)
    found = [
        line["validation_perplexity"]
        for line in metrics(tmp_path / "model")
        if "validation_perplexity" in line
    ]
    assert len(found) == 24  # every half epoch
    assert min(found) < 0.6 * found[0]
    saved = final(tmp_path / "model")["progress"]
    assert saved["best_perplexity"] == min(found)
    assert trained_perplexity(tmp_path / "model") == pytest.approx(min(found), rel=1e-6)


def trained_perplexity(directory: Path) -> float:
    """Perplexity of the weights that `load_model` takes, one sentence at a time."""
    model, _ = load_model(directory, CPU)
    valid = Corpus.open(Path()).valid
    assert valid is not None
    total, words = 0.0, 0
    for index in range(len(valid)):
        source, target = valid.source[index].tolist(), valid.target[index].tolist()
        total -= log_prob(model, source, target)
        words += len(target) + 1
    return math.exp(total / words)


def test_products_are_bf16_in_updates_and_fp32_in_validations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[str] = []
    monkeypatch.setattr(precision, "choose_tensor_cores", lambda device, each: chosen.append(each))
    run(tmp_path / "model", max_updates=4, validate_every=2, precision="bf16")
    assert [each for each, _ in itertools.groupby(chosen)][-4:] == ["bf16", "fp32"] * 2


def test_patience_ends_a_training_that_gets_no_better(tmp_path: Path) -> None:
    run(tmp_path / "model", epochs=50, learning_rate=0.0, patience=3, validate_every=2)
    saved = final(tmp_path / "model")["progress"]
    assert (saved["best_update"], saved["updates"]) == (2, 8)


def test_a_non_finite_gradient_changes_nothing_and_too_many_end_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path / "model", epochs=1)
    before = final(tmp_path / "model")
    monkeypatch.setattr(trainer, "gradient_norm", lambda parameters: torch.tensor(math.nan))
    with pytest.raises(UserError, match="5 updates in a row"):
        run(tmp_path / "model", epochs=3)
    assert_same(final(tmp_path / "model"), before)


def test_equal_seeds_give_equal_models_and_others_do_not(tmp_path: Path) -> None:
    for name, seed in (("one", 7), ("same", 7), ("other", 8)):
        run(tmp_path / name, epochs=1, seed=seed)
    one, same, other = (final(tmp_path / each)["model"] for each in ("one", "same", "other"))
    assert_same(one, same)
    assert not torch.equal(one["softmax.weight"], other["softmax.weight"])


def test_without_validation_text_the_last_weights_are_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = dataclasses.replace(Corpus.open(Path()), valid=None)
    monkeypatch.setattr(Corpus, "open", classmethod(lambda cls, directory: other))
    run(tmp_path / "model", epochs=1)
    model, _ = load_model(tmp_path / "model", CPU)
    assert_same(model.state_dict(), final(tmp_path / "model")["model"])


@pytest.mark.parametrize("gone", [False, True])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    tmp_path: Path, gone: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "whole", dropout=0.1, epochs=2)
    run(tmp_path / "model", dropout=0.1, epochs=1)
    last, previous = (tmp_path / "model" / name for name in ("last.pt", "last.previous.pt"))
    damaged = last.read_bytes()[:-100]
    last.write_bytes(damaged)
    if gone:
        last.unlink()
    capsys.readouterr()
    run(tmp_path / "model", dropout=0.1, epochs=2)
    warning = re.search(r"warning: .*", capsys.readouterr().err)
    assert warning is not None
    assert str(last) in warning[0]
    assert str(previous) in warning[0]
    assert_same(final(tmp_path / "model"), final(tmp_path / "whole"))
    assert metrics(tmp_path / "model") == metrics(tmp_path / "whole")
    kept = tmp_path / "model" / "last.damaged.pt"
    assert kept.exists() != gone
    if not gone:
        assert kept.read_bytes() == damaged
    saved = [
        torch.load(path, weights_only=True)["progress"]["updates"] for path in (previous, last)
    ]
    assert saved == [15, 20]


def test_two_damaged_checkpoints_are_told_of(tmp_path: Path) -> None:
    run(tmp_path / "model", epochs=1)
    for name in ("last.pt", "last.previous.pt"):
        path = tmp_path / "model" / name
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"last\.previous\.pt: damaged"):
        run(tmp_path / "model", epochs=2)


def test_another_training_is_kept_out_while_one_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Trainer.update
    refused: list[bool] = []

    def update(self: Trainer, batch: Any, *, asked: bool = False) -> int:
        if not refused:
            refused.append(True)
            before = {path: path.read_bytes() for path in (tmp_path / "model").iterdir()}
            with pytest.raises(UserError, match="another process is at `s2s train` there"):
                run(tmp_path / "model")
            assert {path: path.read_bytes() for path in (tmp_path / "model").iterdir()} == before
        return real(self, batch, asked=asked)

    monkeypatch.setattr(Trainer, "update", update)
    assert run(tmp_path / "model", max_updates=2).finished
    assert refused
    assert run(tmp_path / "model", max_updates=3).finished


@pytest.mark.parametrize(("optimiser", "tables"), [("sgd", 4), ("adam", 10)])
def test_a_disk_without_room_for_the_checkpoints_is_noticed_before_the_first_update(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimiser: str, tables: int
) -> None:
    """Best weights and three checkpoints: two that stay and one that is being written."""
    free = 5_460 * 4 * tables
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=free - 1))
    with pytest.raises(UserError, match=rf"last\.pt: needs {free:,} bytes, and {free - 1:,} are"):
        run(tmp_path / "model", optimiser=optimiser)
    assert not (tmp_path / "model").exists()
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=free + 10**5))
    assert run(tmp_path / "model", optimiser=optimiser, max_updates=1).finished


def test_a_model_without_its_checkpoint_is_not_trained_over(tmp_path: Path) -> None:
    """A directory slimmed down for decoding: a new training would destroy the model."""
    model = tmp_path / "model"
    run(model, epochs=1)
    (model / "last.pt").unlink()
    (model / "last.previous.pt").unlink()
    before = {path: path.read_bytes() for path in model.iterdir()}
    with pytest.raises(UserError, match=r"best\.pt.*last\.pt.*--model"):
        run(model, epochs=1)
    assert {path: path.read_bytes() for path in model.iterdir()} == before


def test_the_best_weights_never_lie_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However rare checkpoints are, what a kill leaves behind can go on."""
    real = Trainer.update

    def update(self: Trainer, batch: Any, *, asked: bool = False) -> int:
        if self.progress.updates == 5:
            raise MemoryError("killed")
        return real(self, batch, asked=asked)

    monkeypatch.setattr(Trainer, "update", update)
    with pytest.raises(MemoryError):
        run(tmp_path / "model", save_every=100, validate_every=2)
    monkeypatch.undo()
    assert (tmp_path / "model" / "best.pt").is_file()
    assert final(tmp_path / "model")["progress"]["updates"] == 2


def test_a_stretch_of_skipped_updates_has_no_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    norms = iter([True, True, False, True, True, True])
    monkeypatch.setattr(
        trainer,
        "gradient_norm",
        lambda parameters: gradient_norm(parameters) if next(norms) else torch.tensor(math.inf),
    )
    run(tmp_path / "model", max_updates=6, log_every=1, validate_every=100)
    lines = [line for line in metrics(tmp_path / "model") if "loss" in line]
    assert [line["update"] for line in lines] == [1, 2, 4, 5, 6]
    assert [line["skipped"] for line in lines] == [0, 0, 1, 1, 1]
    assert min(line["loss"] for line in lines) > 1


def test_skipped_updates_are_counted_across_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four in a row, two before the training is stopped and two after: all but too many."""
    calls = itertools.count(1)

    def norm(parameters: Any) -> torch.Tensor:
        return torch.tensor(math.inf) if next(calls) in (3, 4, 5, 6) else gradient_norm(parameters)

    monkeypatch.setattr(trainer, "gradient_norm", norm)
    for updates in (4, 8):
        run(tmp_path / "model", max_updates=updates, validate_every=100)
    assert metrics(tmp_path / "model")[-2]["skipped"] == 4
    assert "(4 skipped so far)" in capsys.readouterr().err


def test_a_run_counts_on_what_the_last_one_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three and two are five in a row."""
    monkeypatch.setattr(trainer, "gradient_norm", lambda parameters: torch.tensor(math.nan))
    run(tmp_path / "model", max_updates=3)
    before = (tmp_path / "model" / "last.pt").read_bytes()
    with pytest.raises(UserError, match="5 updates in a row"):
        run(tmp_path / "model")
    assert final(tmp_path / "model")["progress"]["updates"] == 3
    assert (tmp_path / "model" / "last.pt").read_bytes() == before


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("save_every", [0, 4])
def test_weights_that_are_not_finite_are_never_saved(
    tmp_path: Path, value: float, save_every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here one of the unknown word, which the text has not: no gradient would tell."""
    model = tmp_path / "model"
    run(model, max_updates=10, save_every=save_every)
    before = {name: (model / name).read_bytes() for name in ("last.pt", "best.pt")}
    real = Trainer.update

    def update(self: Trainer, batch: Any, *, asked: bool = False) -> int:
        words = real(self, batch, asked=asked)
        if self.progress.updates == 11:
            with torch.no_grad():
                self.model.source_embedding.weight[1, 2] = value
        return words

    monkeypatch.setattr(Trainer, "update", update)
    with pytest.raises(UserError, match=r"not finite, and are not saved; use the last checkpoint"):
        run(model, max_updates=20, save_every=save_every)
    assert {name: (model / name).read_bytes() for name in before} == before


def test_a_model_that_gives_no_probability_has_a_perplexity_that_json_can_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_probability(model: Any, *rest: Any) -> float:
        with torch.no_grad():
            bias = model.softmax.bias.clone()
            model.softmax.bias.fill_(math.nan)
            found = perplexity(model, *rest)
            model.softmax.bias.copy_(bias)
        return found

    monkeypatch.setattr(trainer, "perplexity", without_probability)
    run(tmp_path / "model", max_updates=5)
    line = (tmp_path / "model" / "metrics.jsonl").read_text().splitlines()[-1]
    found = json.loads(line, parse_constant=pytest.fail)["validation_perplexity"]
    assert found == math.exp(700)


@pytest.mark.parametrize(
    ("entry", "value"), [("updates", "3"), ("best_perplexity", None), ("unheard_of", 1)]
)
def test_a_checkpoint_of_another_kind_is_not_gone_on_from(
    tmp_path: Path, entry: str, value: object
) -> None:
    run(tmp_path / "model", epochs=1)
    path = tmp_path / "model" / "last.pt"
    content = torch.load(path, weights_only=True)
    content["progress"][entry] = value
    torch.save(content, path)
    path.with_name("last.previous.pt").unlink()
    with pytest.raises(UserError, match=r"last\.pt: damaged"):
        run(tmp_path / "model", epochs=2)


def test_what_a_kill_left_half_written_does_not_stay(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    left = [model / f".{name}.0ab123cd.s2s.tmp" for name in ("last.pt", "best.pt", "model.json")]
    others = [
        model / name
        for name in (".last.pt.tmp", ".mine.0ab123cd.s2s.tmp", ".best.pt.abcd1234.s2s.tmp")
    ]
    for path in [*left, *others]:
        path.touch()
    with others[-1].open("rb") as held:
        assert try_lock(held.fileno())  # its writer lives
        run(model, epochs=1)
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in others)


def test_the_time_to_the_end_is_told_before_the_first_line_of_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "model", log_every=15)
    told = capsys.readouterr().err
    assert told.count("to the end") == 1
    assert told.index("to the end") < told.index("update 15 ")


@pytest.mark.parametrize(
    "where", ["torch.load", "s2s_cli.training.checkpoint.load_optimiser_state_dicts"]
)
def test_a_full_memory_is_not_taken_for_a_damaged_checkpoint(
    tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is told that a checkpoint is damaged deletes it."""
    run(tmp_path / "model", epochs=1)

    def fail(*arguments: Any, **options: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(where, fail)
    with pytest.raises(torch.OutOfMemoryError):
        run(tmp_path / "model", epochs=2)


def test_the_share_of_the_machine_s_arithmetic_is_told_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "model", max_updates=2)
    assert "GFLOP/s" not in capsys.readouterr().err
    run(tmp_path / "model", max_updates=3, measure=True)  # may be asked for at any time
    assert re.search(r"\d GFLOP/s, \d+% of this machine's GEMM peak", capsys.readouterr().err)
