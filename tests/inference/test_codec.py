"""Running text is made where it is asked for, whatever the form of the source."""

import pytest

from s2s_cli.inference.codec import TextCodec
from s2s_cli.model.config import Shape
from s2s_cli.model.description import Description
from s2s_cli.text.facts import Facts
from s2s_cli.text.vocabulary import Vocabulary

WORDS = ["Un", "chat", ",", "un", "chien", "."]


@pytest.mark.parametrize("model_tokenised", [True, False])
@pytest.mark.parametrize("tokenised", [True, False])
def test_detokenised_text_is_running_text(tokenised: bool, model_tokenised: bool) -> None:
    facts = Facts("en", "fr", model_tokenised, reverse_source=False, tokeniser="any")
    empty = Vocabulary([], [])
    sentences = TextCodec(
        Description(Shape(2, 2, 1, 1, 1), facts, empty, empty), tokenised=tokenised
    )
    assert sentences.detokenised(WORDS) == "Un chat, un chien."
    as_words = tokenised or model_tokenised
    assert sentences.text(WORDS) == (" ".join(WORDS) if as_words else "Un chat, un chien.")
