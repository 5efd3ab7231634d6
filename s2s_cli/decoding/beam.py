"""Left-to-right beam search (§3.2)."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from s2s_cli.decoding.config import BeamConfig
from s2s_cli.inference.distribution import RULED_OUT, Distribution, top
from s2s_cli.inference.scorer import Scorer
from s2s_cli.text.vocabulary import EOS, UNK


@dataclass(frozen=True)
class Hypothesis:
    """A translation.

    Attributes:
        tokens: ids, without `EOS`.
        log_prob: natural log of its probability, that of `EOS` included.
        member_log_probs: the same under each member of an ensemble.
        score: what it is ranked by: ``log_prob``, or that normalised by length.
        at_limit: it has as many words as are allowed, so that only `EOS` could follow.
    """

    tokens: list[int]
    log_prob: float
    member_log_probs: list[float]
    score: float
    at_limit: bool


@torch.inference_mode()
def search(
    scorer: Scorer, sources: Sequence[Sequence[int]], config: BeamConfig
) -> list[list[Hypothesis]]:
    """Translate a batch of sources.

    Each step extends every hypothesis in a sentence's beam by every word and keeps the best
    ``config.beam`` extensions; those that took `EOS` leave the beam and are complete. A sentence
    is done, and its rows leave the batch, when no hypothesis in its beam can overtake the
    complete ones any more. Ties go to the hypothesis ranked higher before, then to the lower id.

    Args:
        scorer: model or ensemble.
        sources: ids in the order of the text; none empty.
        config: beam size and the rest.

    Returns:
        For each source, up to ``max(1, config.nbest)`` hypotheses, best first.
    """
    beams = Beams(scorer, sources, config)
    while beams.alive():
        beams.step()
    return [finished.best() for finished in beams.finished]


class Beams:
    """The rows of all sentences that are still being searched, those of a sentence together.

    Attributes:
        longest: [sentences] words that each may have; ``nearest_limit``: the fewest of these.
        divisor: [sentences] what log probabilities are divided by at the greatest length.
        bar: [sentences] the score that a hypothesis has to beat to be among those wanted.
        state: of the scorer; row i belongs to sentence ``owner[i]``.
        owner: [rows] sentence, never falling.
        tokens: [rows, length] ids so far, `EOS` first.
        log_probs: [rows, 1 + members] of the scorer and of each member, in float64, so that sums
            do not depend on what else is summed.
    """

    def __init__(
        self, scorer: Scorer, sources: Sequence[Sequence[int]], config: BeamConfig
    ) -> None:
        self.scorer, self.config, self.device = scorer, config, scorer.device
        self.finished = [Finished(config, config.longest(len(source))) for source in sources]
        longest = [each.longest for each in self.finished]
        self.longest = torch.tensor(longest, dtype=torch.long, device=self.device)
        self.nearest_limit = min(longest, default=0)
        self.divisor = self.numbers([config.divisor(words + 1) for words in longest])
        self.bar = self.numbers([each.bar() for each in self.finished])
        rows = len(sources)
        self.state: Any = scorer.start(sources)
        self.owner = torch.arange(rows, device=self.device)
        self.tokens = torch.full((rows, 1), EOS, device=self.device)
        self.log_probs = self.numbers([0.0] * rows)[:, None].repeat(1, 1 + scorer.members)

    def numbers(self, values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=self.device)

    def alive(self) -> bool:
        return len(self.owner) > 0

    def step(self) -> None:
        """Extend every hypothesis by one token."""
        self.state = self.scorer.step(self.state, self.tokens[:, -1])
        tokens, log_probs = self.extensions()
        totals = self.log_probs[:, None] + log_probs
        parents, columns = self.select(totals[:, :, 0])
        self.log_probs = totals[parents, columns]
        self.owner = self.owner[parents]
        self.tokens = torch.cat([self.tokens[parents], tokens[parents, columns, None]], 1)
        going_on = self.collect()
        self.owner, self.tokens = self.owner[going_on], self.tokens[going_on]
        self.log_probs = self.log_probs[going_on]
        self.state = self.scorer.select(self.state, parents[going_on])

    def extensions(self) -> tuple[Tensor, Tensor]:
        """The best next tokens of every hypothesis, as many as could all enter the beam.

        Returns:
            Tokens [rows, width], best first, and their log probabilities [rows, width,
            1 + members]; -inf for what must not follow.
        """
        tokens, log_probs = [], []
        for block in self.scorer.blocks(self.state):
            following = Distribution(self.scorer.softmaxes(self.state, block))
            ranking = following.ranking()
            self.rule_out(ranking, block)
            best, ids = top(ranking, min(self.config.beam, ranking.shape[1]))
            rows = torch.arange(len(ranking), device=self.device)[:, None]
            ruled_out = (best == RULED_OUT)[:, :, None]
            log_probs.append(following.log_probs(rows, ids).masked_fill_(ruled_out, float("-inf")))
            tokens.append(ids)
        return torch.cat(tokens), torch.cat(log_probs)

    def rule_out(self, ranking: Tensor, block: slice) -> None:
        """Put last what must not follow: `UNK` on request, words beyond the limit.

        Args:
            ranking: [rows of the block, vocabulary].
            block: which rows.
        """
        if self.config.forbid_unk:
            ranking[:, UNK] = RULED_OUT
        words = self.tokens.shape[1] - 1
        if words >= self.nearest_limit:
            full = self.longest[self.owner[block]] <= words
            end = ranking[:, EOS].clone()
            ranking.masked_fill_(full[:, None], RULED_OUT)
            ranking[:, EOS] = end

    def select(self, totals: Tensor) -> tuple[Tensor, Tensor]:
        """The best extensions of each sentence, best first.

        Args:
            totals: [rows, width] log probabilities of the extended hypotheses.

        Returns:
            Parent rows, and columns of ``totals``.
        """
        width = totals.shape[1]
        # One line a sentence: the extensions of its first row, then of its second, and so on.
        _, sentence, counts = self.owner.unique_consecutive(return_inverse=True, return_counts=True)
        first_row = counts.cumsum(0) - counts
        slot = torch.arange(len(self.owner), device=self.device) - first_row[sentence]
        line = totals.new_full((len(counts), int(counts.max()), width), float("-inf"))
        line[sentence, slot] = totals
        best, place = line.flatten(1).sort(dim=1, descending=True, stable=True)
        best, place = best[:, : self.config.beam], place[:, : self.config.beam]
        kept = best > float("-inf")
        parents = (first_row[:, None] + place // width)[kept]
        return parents, (place % width)[kept]

    def collect(self) -> Tensor:
        """Store what is complete, end what cannot win; the rows that go on."""
        ended = self.tokens[:, -1] == EOS
        self.store(ended.nonzero().squeeze(1))
        # Log probabilities only fall as a hypothesis grows; normalised, a negative one is divided
        # by at most what belongs to the greatest length.
        bound = self.log_probs[:, 0] / self.divisor[self.owner]
        can_win = ~ended & (bound > self.bar[self.owner])
        searching = torch.zeros(len(self.bar), dtype=torch.bool, device=self.device)
        searching[self.owner[can_win]] = True
        return (~ended & searching[self.owner]).nonzero().squeeze(1)

    def store(self, rows: Tensor) -> None:
        """Hand over the hypotheses of ``rows``, which have ended, in the order of rows."""
        owners = self.owner[rows]
        arrivals = owners.tolist(), self.tokens[rows, 1:-1].tolist(), self.log_probs[rows].tolist()
        for sentence, tokens, log_probs in zip(*arrivals, strict=True):
            self.finished[sentence].add(tokens, log_probs)
        self.bar[owners] = self.numbers([self.finished[each].bar() for each in arrivals[0]])


class Finished:
    """The hypotheses of one sentence that have left the beam, as many as were asked for."""

    def __init__(self, config: BeamConfig, longest: int) -> None:
        self.config, self.longest = config, longest
        self.wanted = max(1, config.nbest)
        self._complete: list[tuple[float, int, Hypothesis]] = []  # a heap, worst first
        self._arrivals = 0

    def add(self, tokens: list[int], log_probs: list[float]) -> None:
        log_prob, *members = log_probs
        hypothesis = Hypothesis(
            tokens,
            log_prob,
            members,
            score=log_prob / self.config.divisor(len(tokens) + 1),
            at_limit=len(tokens) == self.longest,
        )
        self._arrivals += 1  # of equal scores, the first to arrive is the better one
        heapq.heappush(self._complete, (hypothesis.score, -self._arrivals, hypothesis))
        if len(self._complete) > self.wanted:
            heapq.heappop(self._complete)

    def bar(self) -> float:
        """What a score has to exceed to enter."""
        return self._complete[0][0] if len(self._complete) == self.wanted else float("-inf")

    def best(self) -> list[Hypothesis]:
        return [hypothesis for _, _, hypothesis in sorted(self._complete, reverse=True)]
