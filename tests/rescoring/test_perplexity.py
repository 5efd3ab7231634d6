"""Perplexity of a reference: of which pairs it is, and per what."""

import math
from pathlib import Path

import pytest
import torch

from s2s_cli.errors import UserError
from s2s_cli.inference.codec import TextCodec
from s2s_cli.inference.ensemble import Ensemble
from s2s_cli.inference.replicas import LoadedModel
from s2s_cli.inference.scorer import ModelScorer
from s2s_cli.model.config import Shape
from s2s_cli.model.description import Description
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.rescoring.perplexity import GivenPairs, PairScorer, Perplexity
from s2s_cli.rescoring.prefix_tree import score_lists
from s2s_cli.rescoring.rescorer import score_parts
from s2s_cli.text.facts import Facts
from s2s_cli.text.vocabulary import Vocabulary

SOURCE, TARGET = Vocabulary(["a", "cat"], [2, 1]), Vocabulary(["un", "chat", "."], [2, 1, 1])
SHAPE = Shape(len(SOURCE), len(TARGET), layers=1, hidden_size=4, embedding_size=3)
WORDS = Description(SHAPE, Facts("en", "fr", True, False, "none"), SOURCE, TARGET)


def random_model(seed: int) -> ModelScorer:
    model = Seq2Seq(SHAPE).eval().requires_grad_(False)
    model.initialise(0.5, torch.Generator().manual_seed(seed))
    return ModelScorer(model, reverse_source=True)


@pytest.fixture
def scorer() -> ModelScorer:
    return random_model(1)


def pairs(source: str, target: str) -> GivenPairs:
    lines = source.splitlines(), target.splitlines()
    return GivenPairs(Path("in.en"), Path("ref.fr"), *lines)


def perplexity(scorer: ModelScorer, source: str, target: str) -> Perplexity:
    return PairScorer.of(scorer, WORDS, tokenised=True).perplexity(pairs(source, target))


def test_pairs_with_a_blank_side_are_left_out(scorer: ModelScorer) -> None:
    found = perplexity(scorer, "a cat\n\na\na dog\n", "un chat .\nun\n \nchien\n")
    assert (found.words, found.pieces, found.split) == (4 + 2, 4 + 2, False)
    kept = [(["a", "cat"], ["un", "chat", "."]), (["a", "dog"], ["chien"])]
    lists = [(SOURCE.encode(source), [TARGET.encode(target)]) for source, target in kept]
    total = sum(score for scores in score_lists(scorer, lists) for score in scores)
    assert found.value == pytest.approx(math.exp(-total / 6))


def test_a_perplexity_beyond_all_numbers_is_the_largest(
    scorer: ModelScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "s2s_cli.rescoring.perplexity.score_lists", lambda _, lists: [[-1e6] for _ in lists]
    )
    found = perplexity(scorer, "a\n", "un\n")
    assert found.value == math.exp(700)


def test_texts_that_cannot_be_scored_are_refused(scorer: ModelScorer) -> None:
    for source, reference, told in (
        ("a\na\n", "un\n", r"in\.en has 2 lines, .*ref\.fr has 1; they must correspond"),
        ("a\n\n", "\nun\n", r"ref\.fr: nothing to score"),
    ):
        with pytest.raises(UserError, match=told):
            perplexity(scorer, source, reference)


@pytest.mark.parametrize("members", [1, 2])
def test_given_pairs_have_the_log_probabilities_of_a_list(
    scorer: ModelScorer, members: int
) -> None:
    given = pairs("a cat\n\na\na dog\n", "un chat .\nun\n\nchien un\n")
    codec = TextCodec(WORDS, tokenised=True)
    either = scorer if members == 1 else Ensemble([scorer, random_model(2)])
    found = PairScorer(either, codec)
    parts = [
        (source, [target]) for source, target in zip(given.sources, given.targets, strict=True)
    ]
    expected, counts = score_parts(LoadedModel(either, codec), parts)
    assert list(found.log_probs(given)) == expected
    assert found.counts.source_unknown == counts.source_unknown == 1
    assert (found.counts.words, found.counts.unknown) == (counts.words, counts.unknown) == (6, 1)
