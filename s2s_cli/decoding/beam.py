"""Left-to-right beam search (§3.2)."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from s2s_cli.decoding.config import BeamConfig
from s2s_cli.decoding.trace import SearchTrace
from s2s_cli.inference.distribution import MASKED, Distribution, candidates, top
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


@dataclass(frozen=True)
class AlignedHypothesis:
    """A hypothesis in words, and which source words they translate.

    Attributes:
        hypothesis: as search found it.
        pieces: target words, or pieces of words.
        pairs: places of source and target words; none unless attention was used.
    """

    hypothesis: Hypothesis
    pieces: list[str]
    pairs: Sequence[tuple[int, int]] = ()


@torch.inference_mode()
def search(
    scorer: Scorer,
    sources: Sequence[Sequence[int]],
    config: BeamConfig,
    trace: SearchTrace | None = None,
    go_on: Callable[[], None] = lambda: None,
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
        trace: where the course of the search is recorded; for one source alone.
        go_on: called before each step; what it raises ends the search.

    Returns:
        For each source, up to ``max(1, config.nbest)`` hypotheses, best first.
    """
    beams = Beams(scorer, sources, config, trace)
    while beams.alive():
        go_on()
        beams.step()
    return [finished.best() for finished in beams.finished]


@torch.inference_mode()
def empty_hypotheses(scorer: Scorer, sources: Sequence[Sequence[int]]) -> list[Hypothesis]:
    """Score the hypothesis without words for each of ``sources``, which may be empty."""
    state = scorer.start(sources)
    state = scorer.step(state, torch.full((len(sources),), EOS, device=scorer.device))
    result = []
    for block in scorer.blocks(state):
        following = Distribution(scorer.softmaxes(state, block))
        rows = torch.arange(block.stop - block.start, device=scorer.device)
        for log_prob, *members in following.log_probs(rows, torch.full_like(rows, EOS)).tolist():
            result.append(Hypothesis([], log_prob, members, score=log_prob, at_limit=False))
    return result


class Beams:
    """The rows of all sentences that are still being searched, those of a sentence together.

    Attributes:
        max_words: [sentences] words that each may have; ``nearest_limit``: the fewest of these.
        final_penalty: [sentences] the length penalty at the greatest length.
        threshold: [sentences] the score that a hypothesis has to beat to be among those wanted.
        state: of the scorer; row i belongs to sentence ``batch_index[i]``.
        batch_index: [rows] sentence of the batch, never falling.
        tokens: [rows, length] ids so far, `EOS` first.
        log_probs: [rows, 1 + members] of the scorer and of each member, in float64, so that sums
            do not depend on what else is summed.
    """

    def __init__(
        self,
        scorer: Scorer,
        sources: Sequence[Sequence[int]],
        config: BeamConfig,
        trace: SearchTrace | None = None,
    ) -> None:
        assert trace is None or len(sources) == 1
        self.scorer, self.config, self.device = scorer, config, scorer.device
        self.trace = trace
        limits = [config.max_length or default_max_words(len(source)) for source in sources]
        self.finished = [Finished(config, limit) for limit in limits]
        self.max_words = torch.tensor(limits, dtype=torch.long, device=self.device)
        self.nearest_limit = min(limits, default=0)
        penalties = [length_penalty(limit + 1, config.normalise) for limit in limits]
        self.final_penalty = self.numbers(penalties)
        self.threshold = self.numbers([each.threshold() for each in self.finished])
        rows = len(sources)
        self.state: Any = scorer.start(sources)
        self.batch_index = torch.arange(rows, device=self.device)
        self.tokens = torch.full((rows, 1), EOS, device=self.device)
        self.log_probs = self.numbers([0.0] * rows)[:, None].repeat(1, 1 + scorer.members)

    def numbers(self, values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=self.device)

    def alive(self) -> bool:
        return len(self.batch_index) > 0

    def step(self) -> None:
        """Extend every hypothesis by one token."""
        self.state = self.scorer.step(self.state, self.tokens[:, -1])
        parents, tokens, log_probs = self.extensions()
        totals = self.log_probs[parents] + log_probs
        chosen = self.select(parents, totals[:, 0])
        parents = parents[chosen]
        self.log_probs = totals[chosen]
        self.batch_index = self.batch_index[parents]
        self.tokens = torch.cat([self.tokens[parents], tokens[chosen, None]], 1)
        alive = self.collect()
        if self.trace is not None:
            self.trace.add_step(parents, self.tokens[:, -1], self.log_probs, alive)
        self.batch_index, self.tokens = self.batch_index[alive], self.tokens[alive]
        self.log_probs = self.log_probs[alive]
        self.state = self.scorer.select(self.state, parents[alive])

    def extensions(self) -> tuple[Tensor, Tensor, Tensor]:
        """Find next tokens, among them all that can enter the beam.

        Returns:
            Rows, ascending, and a token after each [n]; of a row, equally probable ones in the
            order of ids. Log probabilities [n, 1 + members], -inf for tokens that must not follow.
        """
        found = [
            (rows + block.start, tokens, log_probs)
            for block in self.scorer.blocks(self.state)
            for rows, tokens, log_probs in [self.extensions_of(block)]
        ]
        rows, tokens, log_probs = map(torch.cat, zip(*found, strict=True))
        return rows, tokens, log_probs

    def extensions_of(self, block: slice) -> tuple[Tensor, Tensor, Tensor]:
        """`extensions` of the rows of ``block``, which count from its first."""
        following = Distribution(self.scorer.softmaxes(self.state, block))
        ranking, width = following.ranking(), self.config.beam
        self.mask(ranking, block)
        totals = following.log_totals()
        if totals is not None:
            shift = self.log_probs[block, 0] - totals
            found = candidates(ranking, shift, self.batch_index[block], width)
            if found:
                return *found, following.log_probs(*found)
        best, ids = top(ranking, min(width, ranking.shape[1]))
        rows = torch.arange(len(ranking), device=self.device)[:, None].expand_as(ids)
        masked = (best == MASKED)[:, :, None]
        log_probs = following.log_probs(rows, ids).masked_fill_(masked, float("-inf"))
        return rows.flatten(), ids.flatten(), log_probs.flatten(0, 1)

    def mask(self, ranking: Tensor, block: slice) -> None:
        """Rank last what must not follow: `UNK` on request, words beyond the limit.

        Args:
            ranking: [rows of the block, vocabulary].
            block: which rows.
        """
        if self.config.forbid_unk:
            ranking[:, UNK] = MASKED
        words = self.tokens.shape[1] - 1
        if words >= self.nearest_limit:
            full = self.max_words[self.batch_index[block]] <= words
            end = ranking[:, EOS].clone()
            ranking.masked_fill_(full[:, None], MASKED)
            ranking[:, EOS] = end

    def select(self, parents: Tensor, totals: Tensor) -> Tensor:
        """Select the best extensions of each sentence, best first.

        Args:
            parents: [n] rows that are extended, as of `extensions`.
            totals: [n] log probabilities of the extended hypotheses.

        Returns:
            Which of these, those of a sentence together.
        """
        order = totals.argsort(descending=True, stable=True)
        sentence, again = self.batch_index[parents[order]].sort(stable=True)
        order = order[again]
        counts = sentence.bincount()
        first = counts.cumsum(0) - counts
        rank = torch.arange(len(order), device=self.device) - first[sentence]
        return order[(rank < self.config.beam) & (totals[order] > float("-inf"))]

    def collect(self) -> Tensor:
        """Store complete hypotheses, end sentences that are done; return the rows that go on."""
        ended = self.tokens[:, -1] == EOS
        self.store(ended.nonzero().squeeze(1))
        # An upper bound of the final score: log probabilities only fall as a hypothesis grows, and
        # the length penalty is at most that of the greatest length.
        bound = self.log_probs[:, 0] / self.final_penalty[self.batch_index]
        can_win = ~ended & (bound > self.threshold[self.batch_index])
        searching = torch.zeros(len(self.threshold), dtype=torch.bool, device=self.device)
        searching[self.batch_index[can_win]] = True
        return (~ended & searching[self.batch_index]).nonzero().squeeze(1)

    def store(self, rows: Tensor) -> None:
        """Store the hypotheses of ``rows``, which have ended, in the order of rows."""
        indices = self.batch_index[rows]
        sentences = indices.tolist()
        tokens, log_probs = self.tokens[rows, 1:-1].tolist(), self.log_probs[rows].tolist()
        for sentence, *hypothesis in zip(sentences, tokens, log_probs, strict=True):
            self.finished[sentence].add(*hypothesis)
        self.threshold[indices] = self.numbers([self.finished[i].threshold() for i in sentences])


def default_max_words(source_length: int) -> int:
    """Words that a translation may have; depends on its own source alone."""
    return 2 * source_length + 10


def length_penalty(words: int, power: float) -> float:
    """The number that log probabilities are divided by for ranking; ``words`` counts `EOS`."""
    return float(words**power)


class Finished:
    """The hypotheses of one sentence that have left the beam, as many as were asked for."""

    def __init__(self, config: BeamConfig, max_words: int) -> None:
        self.config, self.max_words = config, max_words
        self.wanted = max(1, config.nbest)
        self._complete: list[tuple[float, int, Hypothesis]] = []  # a heap, worst first
        self._arrivals = 0

    def add(self, tokens: list[int], log_probs: list[float]) -> None:
        log_prob, *members = log_probs
        hypothesis = Hypothesis(
            tokens,
            log_prob,
            members,
            score=log_prob / length_penalty(len(tokens) + 1, self.config.normalise),
            at_limit=len(tokens) == self.max_words,
        )
        self._arrivals += 1  # of equal scores, the first to arrive is the better one
        heapq.heappush(self._complete, (hypothesis.score, -self._arrivals, hypothesis))
        if len(self._complete) > self.wanted:
            heapq.heappop(self._complete)

    def threshold(self) -> float:
        """The score that a hypothesis has to exceed to enter."""
        return self._complete[0][0] if len(self._complete) == self.wanted else float("-inf")

    def best(self) -> list[Hypothesis]:
        return [hypothesis for _, _, hypothesis in sorted(self._complete, reverse=True)]
