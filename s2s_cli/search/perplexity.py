"""Perplexity of given translations."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from s2s_cli.errors import UserError
from s2s_cli.files import read_lines
from s2s_cli.model.device import choose_device
from s2s_cli.search.ensemble import load_scorer
from s2s_cli.search.rescoring import List, score_lists
from s2s_cli.search.sentences import Sentences


def reference_perplexity(
    models: Sequence[Path], source: Path, reference: Path, tokenised: bool
) -> tuple[float, int]:
    """Perplexity per word of ``reference`` given ``source``, `EOS` counted as a word.

    Pairs with a blank side are left out.

    Returns:
        The perplexity of the model or ensemble, and the number of words.

    Raises:
        UserError: unequal line counts; nothing to score.
    """
    scorer, description = load_scorer(models, choose_device("auto"))
    sentences = Sentences(description, tokenised=tokenised)
    sources, references = list(read_lines(source)), list(read_lines(reference))
    if len(sources) != len(references):
        raise UserError(
            f"{source} has {len(sources)} lines, {reference} has {len(references)}; "
            "they must correspond line by line"
        )
    words = 0

    def lists() -> Iterator[List]:
        nonlocal words
        for one, other in zip(sources, references, strict=True):
            ids = sentences.source_ids(one)
            target = sentences.target_ids(sentences.target_words(other))
            if ids and target:
                words += len(target) + 1
                yield ids, [target]

    scored = score_lists(scorer, lists())
    total = sum(score for scores in scored for score in scores)
    if not words:
        raise UserError(f"{reference}: nothing to score")
    return math.exp(min(-total / words, 700.0)), words
