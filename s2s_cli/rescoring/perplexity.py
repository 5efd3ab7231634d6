"""Perplexity of given translations."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from s2s_cli.errors import UserError
from s2s_cli.files import read_lines
from s2s_cli.inference.codec import TextCodec
from s2s_cli.inference.scorer import Scorer
from s2s_cli.model.directory import Description
from s2s_cli.rescoring.prefix_tree import HypothesisList, score_lists


@dataclass
class Perplexity:
    """Perplexity of a text under a model or ensemble.

    Attributes:
        value: per word, whatever words are split into.
        words: of the text, with an `EOS` for each line.
        pieces: likewise; as many as words where words are not split.
        split: whether words are split into pieces.
    """

    value: float = math.nan
    words: int = 0
    pieces: int = 0
    split: bool = False


def reference_perplexity(
    scorer: Scorer, description: Description, source: Path, reference: Path, tokenised: bool
) -> Perplexity:
    """Perplexity per word of ``reference`` given ``source``, `EOS` counted as a word.

    Pairs with a blank side are left out. ``scorer`` and ``description``: see `load_scorer`.

    Raises:
        UserError: unequal line counts; nothing to score.
    """
    sentences = TextCodec(description, tokenised=tokenised)
    sources, references = list(read_lines(source)), list(read_lines(reference))
    if len(sources) != len(references):
        raise UserError(
            f"{source} has {len(sources)} lines, {reference} has {len(references)}; "
            "they must correspond line by line"
        )
    found = Perplexity(split=description.facts.subwords.kind != "none")

    def lists() -> Iterator[HypothesisList]:
        for one, other in zip(sources, references, strict=True):
            ids = sentences.source_ids(one)
            words = sentences.target_words(other)
            target = sentences.target_ids(words)
            if ids and target:
                found.words += len(sentences.joined(words)) + 1
                found.pieces += len(target) + 1
                yield ids, [target]

    scored = score_lists(scorer, lists())
    total = sum(score for scores in scored for score in scores)
    if not found.words:
        raise UserError(f"{reference}: nothing to score")
    found.value = math.exp(min(-total / found.words, 700.0))
    return found
