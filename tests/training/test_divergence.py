"""A training whose numbers get out of hand says so, in numbers that can be read."""

import json
import math
import re
from pathlib import Path

import pytest
from small import final, run, small_corpus

from s2s_cli.console import readable
from s2s_cli.errors import UsageError
from s2s_cli.training import trainer


@pytest.fixture(autouse=True)
def corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    small_corpus(monkeypatch)


def test_a_training_that_diverges_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "model", learning_rate=1e12, epochs=0.5, log_every=1)
    told = capsys.readouterr().err
    assert "diverged: guessing has a perplexity of 20; train anew with a lower" in told
    assert "(best" not in told
    assert "no best validation, the last weights are the model: " in told
    assert not re.search(r"\d{12}", told)


def test_a_model_without_probabilities_is_never_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trainer, "perplexity", lambda *_: math.exp(700))
    run(tmp_path / "model", epochs=1.3)
    assert "1.014e+304  (diverged)" in capsys.readouterr().err
    assert not (tmp_path / "model" / "best.pt").exists()
    progress = final(tmp_path / "model")["progress"]
    assert (progress["best_perplexity"], progress["stale_validations"]) == (math.inf, 2)
    for line in (tmp_path / "model" / "metrics.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)


def test_a_rate_that_fades_is_told_before_the_first_update(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "model", max_updates=15, halve_after=1.0, halve_every=1e-310)
    told = capsys.readouterr().err
    assert "from update 12 on, the learning rate is too low" in told


def test_a_batch_larger_than_the_corpus_is_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = "a batch holds all 300 pairs, and its gradient is divided by --batch-size 301 all the"
    for size in (300, 301):
        run(tmp_path / f"{size}", batch_size=size, max_updates=1)
        assert (told in capsys.readouterr().err) == (size == 301)


def test_a_run_that_has_no_time_makes_one_update(tmp_path: Path) -> None:
    for done in (1, 2):
        assert not run(tmp_path, max_minutes=1e-12).finished
        assert final(tmp_path)["progress"]["updates"] == done


def test_no_update_is_no_training(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--epochs 0\.05 is no update: .* has 10; give 0\.1 or"):
        run(tmp_path / "model", epochs=0.05)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("value", "text"),
    [(12.3456, "12.346"), (-0.5, "-0.500"), (1e300, "1.000e+300"), (math.nan, "nan")],
)
def test_a_large_number_is_told_with_a_power_of_ten(value: float, text: str) -> None:
    assert readable(value, 3) == text
