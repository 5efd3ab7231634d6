"""Perplexity of a reference: of which pairs it is, and per what."""

import math
from pathlib import Path

import pytest
import torch

from s2s_cli.errors import UserError
from s2s_cli.inference.scorer import ModelScorer
from s2s_cli.model.config import Shape
from s2s_cli.model.directory import Description
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.rescoring.perplexity import reference_perplexity
from s2s_cli.rescoring.prefix_tree import score_lists
from s2s_cli.text.facts import Facts
from s2s_cli.text.vocabulary import Vocabulary

SOURCE, TARGET = Vocabulary(["a", "cat"], [2, 1]), Vocabulary(["un", "chat", "."], [2, 1, 1])
SHAPE = Shape(len(SOURCE), len(TARGET), layers=1, hidden_size=4, embedding_size=3)
WORDS = Description(SHAPE, Facts("en", "fr", True, False, "none"), SOURCE, TARGET)


@pytest.fixture
def scorer() -> ModelScorer:
    model = Seq2Seq(SHAPE).eval().requires_grad_(False)
    model.initialise(0.5, torch.Generator().manual_seed(1))
    return ModelScorer(model)


def texts(folder: Path, source: str, reference: str) -> tuple[Path, Path]:
    paths = folder / "in.en", folder / "ref.fr"
    for path, text in zip(paths, (source, reference), strict=True):
        path.write_text(text, "utf-8")
    return paths


def test_pairs_with_a_blank_side_are_left_out(scorer: ModelScorer, tmp_path: Path) -> None:
    paths = texts(tmp_path, "a cat\n\na\na dog\n", "un chat .\nun\n \nchien\n")
    found = reference_perplexity(scorer, WORDS, *paths, tokenised=True)
    assert (found.words, found.pieces, found.split) == (4 + 2, 4 + 2, False)
    pairs = [(["a", "cat"], ["un", "chat", "."]), (["a", "dog"], ["chien"])]
    lists = [(SOURCE.encode(source), [TARGET.encode(target)]) for source, target in pairs]
    total = sum(score for scores in score_lists(scorer, lists) for score in scores)
    assert found.value == pytest.approx(math.exp(-total / 6))


def test_a_perplexity_beyond_all_numbers_is_the_largest(
    scorer: ModelScorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "s2s_cli.rescoring.perplexity.score_lists", lambda _, lists: [[-1e6] for _ in lists]
    )
    paths = texts(tmp_path, "a\n", "un\n")
    found = reference_perplexity(scorer, WORDS, *paths, tokenised=True)
    assert found.value == math.exp(700)


def test_texts_that_cannot_be_scored_are_refused(scorer: ModelScorer, tmp_path: Path) -> None:
    for source, reference, told in (
        ("a\na\n", "un\n", r"in\.en has 2 lines, .*ref\.fr has 1; they must correspond"),
        ("a\n\n", "\nun\n", r"ref\.fr: nothing to score"),
    ):
        with pytest.raises(UserError, match=told):
            reference_perplexity(scorer, WORDS, *texts(tmp_path, source, reference), tokenised=True)
