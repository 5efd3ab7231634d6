"""Log probabilities and perplexity of given translations."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from s2s_cli.console import counted
from s2s_cli.errors import UserError
from s2s_cli.files import name_of
from s2s_cli.inference.codec import TextCodec
from s2s_cli.inference.scorer import Scorer
from s2s_cli.model.description import Description
from s2s_cli.rescoring.prefix_tree import HypothesisList, score_lists
from s2s_cli.rescoring.rescorer import ListCounts
from s2s_cli.text.vocabulary import UNK


@dataclass(frozen=True)
class GivenPairs:
    """Source lines and their given translations, and the files that they come from.

    Raises:
        UserError: unequal line counts.
    """

    source: Path
    target: Path
    sources: Sequence[str]
    targets: Sequence[str]

    def __post_init__(self) -> None:
        if len(self.sources) != len(self.targets):
            raise UserError(
                f"{name_of(self.source)} has {counted(len(self.sources), 'line')}, "
                f"{name_of(self.target)} has {len(self.targets)}; they must correspond line by line"
            )

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return zip(self.sources, self.targets, strict=True)


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


@dataclass(frozen=True)
class PairScorer:
    """A scorer of given translations.

    Attributes:
        scorer: model or ensemble; see `load_scorer`.
        codec: how it reads text.
        counts: of what was scored so far, and of unknown words in it.
    """

    scorer: Scorer
    codec: TextCodec
    counts: ListCounts = field(default_factory=ListCounts)

    @classmethod
    def of(cls, scorer: Scorer, description: Description, *, tokenised: bool) -> "PairScorer":
        """Score text, which is ``tokenised`` already or raw, by a loaded model."""
        return cls(scorer, TextCodec(description, tokenised=tokenised))

    def log_probs(self, pairs: Iterable[tuple[str, str]]) -> Iterator[float]:
        """Compute the log probability of each translation given its source, `EOS` included.

        Natural logarithms; the sum over the words, or pieces of words, of a line.
        """
        lists = ((source, [ids]) for source, ids, _ in self.encoded(pairs))
        for (log_prob,) in score_lists(self.scorer, lists):
            yield log_prob

    def encoded(
        self, pairs: Iterable[tuple[str, str]]
    ) -> Iterator[tuple[list[int], list[int], int]]:
        """Encode and count ``pairs``: ids of both sides, and the words of the translation."""
        for source, target in pairs:
            source_ids, words = self.codec.source_ids(source), self.codec.target_words(target)
            ids = self.codec.target_ids(words)
            self.counts.words += len(ids)
            self.counts.unknown += ids.count(UNK)
            self.counts.source_words += len(source_ids)
            self.counts.source_unknown += source_ids.count(UNK)
            yield source_ids, ids, len(self.codec.joined(words))

    def perplexity(self, pairs: GivenPairs) -> Perplexity:
        """Compute the perplexity per word, `EOS` counted as a word.

        Pairs with a blank side are left out.

        Raises:
            UserError: nothing to score.
        """
        found = Perplexity(split=self.codec.description.facts.subwords.kind != "none")

        def lists() -> Iterator[HypothesisList]:
            for source, ids, words in self.encoded(pairs):
                if source and ids:
                    found.words += words + 1
                    found.pieces += len(ids) + 1
                    yield source, [ids]

        total = sum(score for scores in score_lists(self.scorer, lists()) for score in scores)
        if not found.words:
            raise UserError(f"{name_of(pairs.target)}: nothing to score")
        found.value = math.exp(min(-total / found.words, 700.0))
        return found
