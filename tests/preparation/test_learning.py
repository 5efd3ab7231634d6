"""The same words give the same pieces; sizes that cannot be are refused with one that can."""

from collections import Counter
from dataclasses import fields
from pathlib import Path

import pytest

from s2s_cli.errors import UserError
from s2s_cli.preparation.config import PrepConfig
from s2s_cli.preparation.learning import learn_pieces
from s2s_cli.text.subwords import SubwordKind, make_splitter

COUNTS = Counter({"lower": 9, "low": 8, "newer": 7, "wider": 6, "l’été": 4, "UNK": 3, "▁": 2})


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_the_same_words_give_the_same_model(kind: SubwordKind) -> None:
    backwards = Counter(dict(reversed(COUNTS.items())))
    assert learn_pieces(kind, COUNTS, 26, 1.0, "en") == learn_pieces(kind, backwards, 26, 1.0, "en")


def test_sizes_that_cannot_be_are_told_with_one_that_can() -> None:
    with pytest.raises(UserError, match=r"\(en\) has too few words .* --subword-size \d+ or less"):
        learn_pieces("unigram", COUNTS, 5000, 1.0, "en")
    with pytest.raises(UserError, match=r"--subword-size \d+ or more, or a lower --character-cov"):
        learn_pieces("bpe", COUNTS, 5, 1.0, "en")
    with pytest.raises(UserError, match="nothing that SentencePiece can learn from"):
        learn_pieces("bpe", Counter({"a\tb": 3}), 5, 1.0, "en")


def test_every_coverage_that_prep_takes_can_be_learned() -> None:
    (least,) = (each for each in fields(PrepConfig) if each.name == "character_coverage")
    model = learn_pieces("bpe", COUNTS, 22, least.metadata["min"], "en")
    assert make_splitter("bpe", model, Path("subwords.en.model")).split(["low"])
