"""The best weights and the end of a training by perplexity or by BLEU, and what is said of them."""

import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from small import final, metrics, run, small_corpus

from s2s_cli.errors import UsageError, UserError
from s2s_cli.text.subwords import Subwords
from s2s_cli.training import trainer
from s2s_cli.training.config import TrainingConfig
from s2s_cli.training.progress import Progress
from s2s_cli.training.validation import NO_BLEU, Quality, ValidationTranslations

# Of the validations one after another: by perplexity the second is the best, by BLEU the third.
PERPLEXITIES = [12.0, 10.0, 11.0, 13.0, 14.0]
BLEUS = [0.0, 1.0, 4.0, 4.0, 3.0]
BY_BLEU: dict[str, Any] = {"best_by": "bleu", "validate_bleu": 5, "validate_every": 2}


class Scripted:
    """A translator whose BLEUs are known beforehand."""

    def __init__(self, bleus: list[float]) -> None:
        self.bleus = bleus

    def describe(self) -> str:
        return ""

    def __call__(self, model: object) -> ValidationTranslations:
        return ValidationTranslations(bleu=self.bleus.pop(0))


@pytest.fixture(autouse=True)
def perplexities(monkeypatch: pytest.MonkeyPatch) -> None:
    small_corpus(monkeypatch)
    found = list(PERPLEXITIES)
    monkeypatch.setattr(trainer, "perplexity", lambda *_: found.pop(0))


def scripted() -> Any:
    translator = Scripted(list(BLEUS))
    return lambda data, trainer: translator


def test_the_best_weights_are_those_of_the_best_bleu(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model"
    run(model, **BY_BLEU, max_updates=10, open_translator=scripted())
    progress = final(model)["progress"]
    assert (progress["best_update"], progress["best_bleu"]) == (6, 4.0)
    assert progress["stale_validations"] == 2
    found = [each["validation_bleu"] for each in metrics(model) if "validation_bleu" in each]
    assert found == BLEUS
    told = capsys.readouterr().err
    assert "update 6  validation perplexity 11.000  BLEU 4.00  (best so far)" in told
    assert "update 10  validation perplexity 14.000  BLEU 3.00  (best BLEU 4.00)\n" in told
    assert told.splitlines()[-1] == (
        f"best: validation perplexity 11.000, BLEU 4.00 at update 6 (epoch 0.60), {model}/best.pt"
    )


def test_patience_goes_by_bleu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also in a run that finds it finished, which says the same at its end."""
    for _ in range(2):
        assert run(tmp_path, **BY_BLEU, patience=2, open_translator=scripted()).finished
    assert final(tmp_path)["progress"]["updates"] == 10
    told = capsys.readouterr().err
    assert told.count("no better validation than perplexity 11.000, BLEU 4.00 of update 6") == 2
    assert told.count("at update 6 (epoch 0.60)") == 2


def test_a_perplexity_of_pieces_says_so_wherever_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Subwords, "per_piece", " per piece")
    assert run(tmp_path, validate_every=2, patience=2).finished
    told = capsys.readouterr().err
    assert "no better validation than perplexity 10.000 per piece of update 4" in told
    assert "best: validation perplexity 10.000 per piece at update 4" in told


def test_a_validation_of_the_end_alone_is_compared_likewise(tmp_path: Path) -> None:
    settings = {**BY_BLEU, "validate_every": 4}
    run(tmp_path, **settings, max_updates=5, open_translator=scripted())
    progress = final(tmp_path)["progress"]
    assert (progress["best_update"], progress["best_bleu"]) == (4, 0.0)
    assert (progress["end_perplexity"], progress["end_bleu"]) == (10.0, 1.0)
    best, last = (
        torch.load(tmp_path / name, weights_only=True)["model"] for name in ("best.pt", "last.pt")
    )
    assert torch.equal(best["softmax.weight"], last["softmax.weight"])


def test_bleu_beside_perplexity_decides_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, validate_bleu=5, validate_every=2, max_updates=10, open_translator=scripted())
    content = final(tmp_path)
    assert content["progress"]["best_update"] == 4
    assert not {"best_by", "validate_bleu", "samples"} & content["settings"].keys()
    assert "best: validation perplexity 10.000, BLEU 1.00 at update 4" in capsys.readouterr().err


def test_a_training_without_bleu_is_what_it_was(tmp_path: Path) -> None:
    """So versions that know nothing of it go on with it."""
    run(tmp_path, validate_every=2, max_updates=4)
    content = torch.load(tmp_path / "last.pt", weights_only=True)
    assert not {"best_bleu", "end_bleu"} & content["progress"].keys()
    assert Progress.from_saved(content["progress"]).best_bleu == NO_BLEU
    assert all("validation_bleu" not in each for each in metrics(tmp_path))


@pytest.mark.parametrize("sentences", [0, 5])
def test_another_measure_is_another_training(tmp_path: Path, sentences: int) -> None:
    settings = {"validate_every": 2, "validate_bleu": sentences}
    run(tmp_path / "p", **settings, max_updates=2, open_translator=scripted())
    with pytest.raises(UserError, match="settings: best-by was perplexity, now bleu; set"):
        run(tmp_path / "p", **BY_BLEU, max_updates=4, open_translator=scripted())
    run(tmp_path / "b", **BY_BLEU, max_updates=2, open_translator=scripted())
    with pytest.raises(UserError, match="settings: best-by was bleu, now perplexity; set"):
        run(tmp_path / "b", **settings, max_updates=4, open_translator=scripted())


def test_bleu_without_sentences_says_what_to_add() -> None:
    with pytest.raises(UsageError, match="add --validate-bleu 100"):
        TrainingConfig(best_by="bleu").check()
    TrainingConfig(best_by="bleu", validate_bleu=1).check()


def test_of_equal_bleu_the_lower_perplexity_is_better() -> None:
    zero = Quality(10.0, 0.0)
    assert zero.beats(Quality(11.0, 0.0), "bleu")
    assert not zero.beats(zero, "bleu")
    assert not zero.beats(Quality(100.0, 0.1), "bleu")
    assert not Quality(math.inf, 1.0).beats(zero, "bleu")
    assert zero.beats(Quality(), "bleu")
    assert zero.beats(Quality(), "perplexity")
    assert not Quality(11.0, 5.0).beats(zero, "perplexity")


def test_a_stopped_training_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, validate_every=1, max_minutes=1e-12)
    told = capsys.readouterr().err
    stopped, how_far = told.splitlines()[-2:]
    assert stopped.endswith("stopped after update 1; the same command goes on from here")
    assert re.match(r"this run took .* left; best so far: validation perplexity 12\.0", how_far)
