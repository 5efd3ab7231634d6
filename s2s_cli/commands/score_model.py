"""Scores that models give the reference of ``s2s score``: perplexity, log probabilities."""

from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import assert_never

from s2s_cli.console import counted, warn
from s2s_cli.errors import UserError
from s2s_cli.files import name_of
from s2s_cli.inference.codec import LONGEST_SOURCE, UNKNOWN_SOURCE_SHARE, unknown_words
from s2s_cli.inference.ensemble import load_scorer
from s2s_cli.model.config import Precision
from s2s_cli.model.device import choose_device
from s2s_cli.rescoring.perplexity import GivenPairs, PairScorer
from s2s_cli.scoring.metrics import LineMetric, ModelMetric, Score


@dataclass(frozen=True)
class ScoringModel:
    """A model or ensemble, and the pairs that it scores."""

    models: list[Path]
    pairs: GivenPairs
    tokenised: bool
    precision: Precision
    device: str

    @cached_property
    def scorer(self) -> PairScorer:
        """The loaded models."""
        scorer, description = load_scorer(self.models, choose_device(self.device), self.precision)
        return PairScorer.of(scorer, description, tokenised=self.tokenised)

    def score(self, metric: ModelMetric) -> Score:
        """Score all translations."""
        match metric:
            case "perplexity":
                return self.perplexity()
            case _:
                assert_never(metric)

    def line_scores(self, metric: LineMetric) -> list[float]:
        """Score each translation."""
        match metric:
            case "log-probability":
                return self.log_probs()
            case _:
                assert_never(metric)

    def perplexity(self) -> Score:
        """Compute the perplexity per word, <EOS> counted as a word."""
        found = self.scorer.perplexity(self.pairs)
        self.warn_of_words()
        counted = f"words:{found.words}" + (f"|pieces:{found.pieces}" if found.split else "")
        signature = f"{counted}|eos:counted|models:{len(self.models)}"
        if self.precision != "fp32":
            signature += f"|precision:{self.precision}"
        return Score("perplexity", found.value, signature)

    def log_probs(self) -> list[float]:
        """Compute the log probability of each translation.

        Raises:
            UserError: one is not finite.
        """
        found = list(self.scorer.log_probs(self.pairs))
        self.warn_of_words()
        for number, value in enumerate(found, 1):
            if not isfinite(value):
                raise UserError(
                    f"{name_of(self.pairs.target)}:{number}: its log probability is {value}: the "
                    "model's weights are too large to compute with"
                )
        return found

    def warn_of_words(self) -> None:
        """Warn of text that is probably not what the model was trained on."""
        counts, cut = self.scorer.counts, self.scorer.codec.cut
        if cut:
            warn(
                f"{name_of(self.pairs.source)}: {counted(cut, 'line')} cut to the first "
                f"{LONGEST_SOURCE} words"
            )
        if problem := unknown_words(counts.source_unknown, counts.source_words):
            warn(problem)
        if counts.unknown > UNKNOWN_SOURCE_SHARE * counts.words:
            warn(
                f"{name_of(self.pairs.target)}: {counts.unknown / counts.words:.0%} of its words "
                "are unknown to the model, which scores them all as the unknown word"
            )
