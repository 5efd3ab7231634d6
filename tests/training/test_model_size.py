"""A model too large for its text is warned of; those that are known to learn are not."""

import pytest
import torch

from s2s_cli.data.corpus import Corpus, Side, Split
from s2s_cli.model.config import PRESET_MODELS, ModelConfig, Preset, Shape
from s2s_cli.text.facts import Facts
from s2s_cli.text.vocabulary import Vocabulary
from s2s_cli.training.model_size import warn_of_size

PAPER = ModelConfig()
WIDE = ModelConfig(layers=1, hidden_size=512, embedding_size=512)


def corpus_of(words: int) -> Corpus:
    """A corpus of so many words in two languages; there are no sentences in it."""
    side = Side(torch.zeros(0), torch.tensor([0, words // 2]))
    facts = Facts("en", "fr", tokenised=True, reverse_source=False, tokeniser="none")
    few = Vocabulary(["a"], [1])
    return Corpus(facts, few, few, Split(side, side), None, digest="")


def warning(model: ModelConfig, vocabularies: tuple[int, int], words: int) -> str:
    with pytest.MonkeyPatch.context() as patch:
        told: list[str] = []
        patch.setattr("s2s_cli.training.model_size.warn", told.append)
        warn_of_size(corpus_of(words), Shape.of(model, *vocabularies))
    return "".join(told)


@pytest.mark.parametrize(
    ("model", "vocabularies", "words"),
    [
        (PAPER, (160_000, 80_000), 652_000_000),  # the paper
        (PAPER, (40_000, 50_000), 24_000_000),  # canada_laws_en_fr
        (WIDE, (10_400, 11_200), 783_000),  # Multi30k, all words
        (ModelConfig(2, 512, 512), (13_000, 20_000), 2_140_000),  # Tatoeba
        (PRESET_MODELS["toy"], (105, 101), 114_000),  # numbers_en_fr
        (ModelConfig(1, 128, 16), (15, 15), 495_000),  # addition
        (PRESET_MODELS["small"], (1_800, 1_900), 81_000),  # 3,000 captions
    ],
)
def test_what_is_known_to_learn_is_not_warned_of(
    model: ModelConfig, vocabularies: tuple[int, int], words: int
) -> None:
    assert not warning(model, vocabularies, words)


@pytest.mark.parametrize(
    ("vocabularies", "words", "preset"),
    [((10_400, 11_200), 783_000, "small"), ((105, 101), 8_000, "toy"), ((105, 101), 60, "toy")],
)
def test_the_paper_s_model_on_little_text(
    vocabularies: tuple[int, int], words: int, preset: Preset
) -> None:
    told = warning(PAPER, vocabularies, words)
    assert f" {words:,} words" in told
    assert told.endswith(f"`s2s init --preset {preset}`")


def test_where_no_preset_is_smaller_none_is_named() -> None:
    assert warning(PRESET_MODELS["toy"], (105, 101), 60).endswith("; find more text")
