"""Translations during a training: what decoding gives, and the training does not notice them."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from s2s_cli.api import Translator
from s2s_cli.data.corpus import Corpus
from s2s_cli.distributed.replica import Replica
from s2s_cli.errors import UserError
from s2s_cli.model.config import ModelConfig, Shape
from s2s_cli.scoring.metrics import score_texts
from s2s_cli.scoring.statistics import corpus_bleu
from s2s_cli.scoring.texts import ScoringConfig, make_texts
from s2s_cli.training.config import TrainingConfig
from s2s_cli.training.loop import train
from s2s_cli.training.trainer import Trainer
from s2s_cli.validation.greedy import GreedyTranslator, open_translator
from s2s_cli.validation.sentences import evenly_spaced

CPU = torch.device("cpu")
# They learn enough for a BLEU above 0, of all 20 sentences.
SHAPE = ModelConfig(layers=1, hidden_size=48, embedding_size=32, attention="general")
CONFIG = TrainingConfig(
    batch_size=10, epochs=8, optimiser="adam", learning_rate=0.03, dropout=0.1, log_every=1000,
    validate_every=40, validate_bleu=1000,
)  # fmt: skip
PLAIN = ModelConfig(layers=2, hidden_size=12, embedding_size=8)


def trained(
    data: Path, directory: Path, shape: ModelConfig = SHAPE, places: int = 1, **settings: Any
) -> None:
    config = dataclasses.replace(CONFIG, **settings)
    train(data, directory, shape, config, Replica((CPU,) * places), open_translator)


@pytest.fixture(scope="module")
def data(tiny_experiment: Path) -> Path:
    return tiny_experiment / "data"


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that translated all validation sentences at each validation."""
    directory = tmp_path_factory.mktemp("translating") / "model"
    trained(data, directory)
    return directory


def lines(directory: Path, language: str) -> list[str]:
    return (directory / f"valid.{language}").read_text("utf-8").splitlines()


def bleus(directory: Path) -> list[float]:
    found = map(json.loads, (directory / "metrics.jsonl").read_text().splitlines())
    return [each["validation_bleu"] for each in found if "validation_bleu" in each]


def test_bleu_is_that_of_decode_and_score(model: Path, data: Path) -> None:
    texts = make_texts(
        ScoringConfig(language="fr"),
        Translator(model / "last.pt", device="cpu").translate(lines(data, "en"), beam=1),
        [lines(data, "fr")],
    )
    assert len(bleus(model)) == 4
    assert bleus(model)[-1] == pytest.approx(score_texts("bleu-tokenised", texts).value, abs=1e-4)
    assert bleus(model)[-1] > bleus(model)[0]


def test_the_training_does_not_notice(model: Path, data: Path, tmp_path: Path) -> None:
    trained(data, tmp_path, validate_bleu=0, samples=0)
    one, other = (torch.load(each / "last.pt", weights_only=True) for each in (model, tmp_path))
    for name, weights in one["model"].items():
        assert torch.equal(weights, other["model"][name])
    assert torch.equal(one["random"]["cpu"], other["random"]["cpu"])
    assert one["settings"] == other["settings"]
    assert one["progress"]["best_perplexity"] == other["progress"]["best_perplexity"]


def test_a_resumed_training_finds_the_same(model: Path, data: Path, tmp_path: Path) -> None:
    for updates in (50, 130, 0):
        trained(data, tmp_path, max_updates=updates)
    assert bleus(tmp_path) == bleus(model)


def shown(told: str) -> dict[str, list[str]]:
    """The samples of a log."""
    found: dict[str, list[str]] = {}
    for line in told.splitlines():
        title, _, text = line.strip().partition(" ")
        if title in ("Source", "Reference", "Hypothesis"):
            found.setdefault(title, []).append(text.strip())
    return found


@pytest.mark.parametrize("places", [1, 3])
def test_samples_are_running_text_in_the_order_of_the_text(
    places: int, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Though the source is reversed for the model; also where it is spread over devices."""
    capsys.readouterr()
    trained(data, tmp_path, PLAIN, places, max_updates=30, validate_every=10, samples=3)
    told = capsys.readouterr().err
    found = shown(told)
    chosen = [3, 10, 16]  # of 20
    assert found["Source"] == [lines(data, "en")[each] for each in chosen] * 3
    assert found["Reference"] == [lines(data, "fr")[each] for each in chosen] * 3
    decoded = Translator(tmp_path / "last.pt", device="cpu").translate(found["Source"][:3], beam=1)
    assert found["Hypothesis"][-3:] == [each or "(empty)" for each in decoded]
    signed = "validation BLEU: 20 sentences, greedy search; nrefs:1|case:mixed"
    assert signed in " ".join(told.split())


def trainer_of(data: Path, directory: Path, replica: Replica, **settings: Any) -> Trainer:
    corpus = Corpus.open(data)
    shape = Shape.of(SHAPE, len(corpus.source_vocabulary), len(corpus.target_vocabulary))
    return Trainer(corpus, directory, shape, dataclasses.replace(CONFIG, **settings), replica)


def test_each_replica_translates_its_share(model: Path, data: Path) -> None:
    """Of 7 sentences for 3 of them; each adds its counts to those of the others."""
    sums: list[Tensor] = []

    class Alone(Replica):
        def reduce_sum(self, numbers: Tensor) -> Tensor:
            sums.append(numbers)
            return numbers

        def reduce_max(self, number: int) -> int:
            return number

    whole = trainer_of(data, model, Replica((CPU,)), validate_bleu=7)
    expected = GreedyTranslator(data, whole)(whole.model)
    for rank in range(3):
        trainer = trainer_of(data, model, Alone((CPU,), rank, 3), validate_bleu=7)
        translator = GreedyTranslator(data, trainer)
        found = translator(trainer.model)
        assert bool(found.samples) == (rank == 0)
        assert len(translator.share) == (3 if rank == 0 else 2)
    assert corpus_bleu(torch.stack(sums).sum(0).int().tolist()) == expected.bleu > 0


def test_prepared_text_that_is_gone_or_another(data: Path, model: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(data, tmp_path / "data"))
    trainer = trainer_of(own, model, Replica((CPU,)))
    french = own / "valid.fr"
    for other in (reversed(lines(data, "fr")), lines(data, "fr")[:1]):
        french.write_text("".join(f"{line}\n" for line in other), "utf-8")
        with pytest.raises(UserError, match=r"valid\.fr: is not the text of .*; run `s2s vocab`"):
            GreedyTranslator(own, trainer)
    french.unlink()
    with pytest.raises(UserError, match=r"valid\.fr: no such file, and --validate-bleu compares"):
        GreedyTranslator(own, trainer)
    (own / "valid.en").unlink()
    trainer = trainer_of(own, model, Replica((CPU,)), validate_bleu=0)
    sample = GreedyTranslator(own, trainer)(trainer.model).samples[0]  # from the ids
    assert (sample.source, sample.reference) == (lines(data, "en")[5], lines(data, "fr")[5])


def test_weights_that_cannot_translate_do_not_end_the_training(
    data: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = trainer_of(data, model, Replica((CPU,)))
    translator = GreedyTranslator(data, trainer)
    with torch.no_grad():
        next(iter(trainer.model.parameters())).fill_(float("inf"))
    found = translator(trainer.model)
    assert (found.bleu, found.samples[0].hypothesis) == (0.0, "")
    assert "the validation sentences cannot be translated: " in capsys.readouterr().err


def test_where_a_device_has_no_memory_the_cpu_translates(
    data: Path,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trainer = trainer_of(data, model, Replica((CPU,)))
    translator = GreedyTranslator(data, trainer)
    expected = translator(trainer.model)
    real = GreedyTranslator.translate_on

    def full(self: GreedyTranslator, network: Any, device: torch.device) -> dict[int, str]:
        if device.type == "cuda":
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return real(self, network, device)

    monkeypatch.setattr(GreedyTranslator, "translate_on", full)
    translator.device = torch.device("cuda")
    assert translator(trainer.model) == translator(trainer.model) == expected
    assert capsys.readouterr().err.count("the CPU translates from now on") == 1


def test_nothing_is_made_where_nothing_is_asked_for(data: Path, model: Path) -> None:
    trainer = trainer_of(data, model, Replica((CPU,)), samples=0, validate_bleu=0)
    assert open_translator(data, trainer) is None


@pytest.mark.parametrize(
    ("count", "wanted", "chosen"),
    [(20, 3, [3, 10, 16]), (3, 5, [0, 1, 2]), (1000, 1, [500]), (7, 0, []), (2, 2, [0, 1])],
)
def test_sentences_are_chosen_at_equal_distances(
    count: int, wanted: int, chosen: list[int]
) -> None:
    assert evenly_spaced(count, wanted) == chosen
