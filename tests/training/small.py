"""A training that takes no time, and what it leaves."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from s2s_cli.data.corpus import Corpus, Side, Split
from s2s_cli.distributed.replica import Replica
from s2s_cli.distributed.signals import Stopped
from s2s_cli.model.config import ModelConfig, Shape
from s2s_cli.text.facts import Facts
from s2s_cli.text.vocabulary import Vocabulary
from s2s_cli.training.config import TrainingConfig
from s2s_cli.training.loop import OpenTranslator, train

CPU = torch.device("cpu")
SHAPE = ModelConfig(layers=2, hidden_size=12, embedding_size=10)
WORDS = [f"w{number}" for number in range(18)]


def split(pairs: int, seed: int) -> Split:
    """Sources of up to 5 words; the target is the source."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 6, (pairs,), generator=generator)
    ids = torch.randint(2, 20, (int(lengths.sum()),), generator=generator, dtype=torch.int32)
    side = Side(ids, torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)]))
    return Split(side, side)


def small_corpus(monkeypatch: pytest.MonkeyPatch) -> Corpus:
    """300 pairs, which are the corpus wherever one is opened."""
    facts = Facts("en", "fr", tokenised=True, reverse_source=False, tokeniser="none")
    vocabulary = Vocabulary(WORDS, [1] * len(WORDS))
    corpus = Corpus(facts, vocabulary, vocabulary, split(300, 1), split(40, 2), digest="d")
    monkeypatch.setattr(Corpus, "open", classmethod(lambda cls, directory: corpus))
    return corpus


def sized(shape: ModelConfig, corpus: Corpus) -> Shape:
    """With the sizes of the vocabularies."""
    return Shape.of(shape, len(corpus.source_vocabulary), len(corpus.target_vocabulary))


def run(
    directory: Path, *, open_translator: OpenTranslator | None = None, **settings: Any
) -> Stopped:
    config = TrainingConfig(**{"batch_size": 32, "epochs": 3, "log_every": 4, **settings})
    return train(Path("data"), directory, SHAPE, config, Replica((CPU,)), open_translator)


def final(directory: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(directory / "last.pt", weights_only=True)
    content["progress"].pop("metrics_bytes")  # speeds are written with as many digits as they have
    return content


def metrics(directory: Path) -> list[dict[str, Any]]:
    lines = (directory / "metrics.jsonl").read_text().splitlines()
    return [
        {key: value for key, value in json.loads(line).items() if key != "words_per_second"}
        for line in lines
    ]


def assert_same(one: Any, other: Any) -> None:
    """Equal to the bit, tensors and all."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    else:
        assert one == other
