"""Left-to-right beam search (§3.2)."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from s2s_cli.search.config import BeamConfig
from s2s_cli.search.scorer import Scorer
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
        state: of the scorer; row i belongs to sentence ``owner[i]``.
        owner: [rows] sentence, never falling.
        tokens: [rows, length] ids so far, `EOS` first.
        log_probs: [rows] in float64, so that sums do not depend on what else is summed.
        member_log_probs: [rows, members].
    """

    def __init__(
        self, scorer: Scorer, sources: Sequence[Sequence[int]], config: BeamConfig
    ) -> None:
        self.scorer, self.config, self.device = scorer, config, scorer.device
        self.finished = [Finished(config, config.longest(len(source))) for source in sources]
        longest = [each.longest for each in self.finished]
        self.longest = torch.tensor(longest, dtype=torch.long, device=self.device)
        self.nearest_limit = min(longest, default=0)
        rows = len(sources)
        self.state: Any = scorer.start(sources)
        self.owner = torch.arange(rows, device=self.device)
        self.tokens = torch.full((rows, 1), EOS, device=self.device)
        self.log_probs = torch.zeros(rows, dtype=torch.float64, device=self.device)
        self.member_log_probs = self.log_probs[:, None].repeat(1, scorer.members)

    def alive(self) -> bool:
        return len(self.owner) > 0

    @torch.inference_mode()
    def step(self) -> None:
        """Extend every hypothesis by one token."""
        log_probs, members, self.state = self.scorer.step(self.state, self.tokens[:, -1])
        self.rule_out(log_probs)
        parents, tokens = self.select(log_probs)
        of_members = torch.stack([each[parents, tokens] for each in members], 1)
        self.log_probs = self.log_probs[parents] + log_probs[parents, tokens]
        self.member_log_probs = self.member_log_probs[parents] + of_members
        self.owner = self.owner[parents]
        self.tokens = torch.cat([self.tokens[parents], tokens[:, None]], 1)
        going_on = self.collect()
        self.keep(going_on)
        self.state = self.scorer.select(self.state, parents[going_on])

    def rule_out(self, log_probs: Tensor) -> None:
        """Make impossible what must not follow: `UNK` on request, words beyond the limit."""
        if self.config.forbid_unk:
            log_probs[:, UNK] = float("-inf")
        words = self.tokens.shape[1] - 1
        if words >= self.nearest_limit:
            full = self.longest[self.owner] <= words
            end = log_probs[:, EOS].clone()
            log_probs.masked_fill_(full[:, None], float("-inf"))
            log_probs[:, EOS] = end

    def select(self, log_probs: Tensor) -> tuple[Tensor, Tensor]:
        """The best extensions of each sentence: parent rows and tokens, best first.

        Args:
            log_probs: [rows, vocabulary] of the next token.
        """
        width = min(self.config.beam, log_probs.shape[1])
        values, tokens = top(log_probs, width)
        totals = self.log_probs[:, None] + values
        # One line a sentence: the extensions of its first row, then of its second, and so on.
        _, sentence, counts = self.owner.unique_consecutive(return_inverse=True, return_counts=True)
        first_row = counts.cumsum(0) - counts
        slot = torch.arange(len(self.owner), device=self.device) - first_row[sentence]
        line = totals.new_full((len(counts), int(counts.max()), width), float("-inf"))
        line[sentence, slot] = totals
        ranked, place = line.flatten(1).sort(dim=1, descending=True, stable=True)
        ranked, place = ranked[:, : self.config.beam], place[:, : self.config.beam]
        kept = ranked > float("-inf")
        parents = (first_row[:, None] + place // width)[kept]
        return parents, tokens[parents, (place % width)[kept]]

    def collect(self) -> Tensor:
        """Store what is complete, end what cannot win; the rows that go on."""
        owners, log_probs = self.owner.tolist(), self.log_probs.tolist()
        ended = (self.tokens[:, -1] == EOS).tolist()
        complete = iter(self.complete(ended))
        best_live: dict[int, float] = {}
        for row, (sentence, log_prob) in enumerate(zip(owners, log_probs, strict=True)):
            if ended[row]:
                self.finished[sentence].add(log_prob, *next(complete))
            else:
                best_live[sentence] = max(log_prob, best_live.get(sentence, float("-inf")))
        searching = {
            sentence
            for sentence, log_prob in best_live.items()
            if not self.finished[sentence].beyond(log_prob)
        }
        going_on = [
            row
            for row, (sentence, end) in enumerate(zip(owners, ended, strict=True))
            if not end and sentence in searching
        ]
        return torch.tensor(going_on, dtype=torch.long, device=self.device)

    def complete(self, ended: list[bool]) -> list[tuple[list[int], list[float]]]:
        """Tokens and members' log probabilities of the rows that ended, fetched all at once."""
        rows = torch.tensor(ended, device=self.device).nonzero().squeeze(1)
        tokens, members = self.tokens[rows, 1:-1], self.member_log_probs[rows]
        return list(zip(tokens.tolist(), members.tolist(), strict=True))

    def keep(self, rows: Tensor) -> None:
        self.owner, self.tokens = self.owner[rows], self.tokens[rows]
        self.log_probs, self.member_log_probs = self.log_probs[rows], self.member_log_probs[rows]


class Finished:
    """The hypotheses of one sentence that have left the beam, as many as were asked for."""

    def __init__(self, config: BeamConfig, longest: int) -> None:
        self.config, self.longest = config, longest
        self.wanted = max(1, config.nbest)
        self._complete: list[tuple[float, int, Hypothesis]] = []  # a heap, worst first
        self._arrivals = 0

    def add(self, log_prob: float, tokens: list[int], member_log_probs: list[float]) -> None:
        score = self.config.score(log_prob, len(tokens) + 1)
        hypothesis = Hypothesis(
            tokens, log_prob, member_log_probs, score, at_limit=len(tokens) == self.longest
        )
        self._arrivals += 1  # of equal scores, the first to arrive is the better one
        heapq.heappush(self._complete, (score, -self._arrivals, hypothesis))
        if len(self._complete) > self.wanted:
            heapq.heappop(self._complete)

    def beyond(self, log_prob: float) -> bool:
        """Whether no continuation of a hypothesis with ``log_prob`` can enter any more.

        Log probabilities only fall as a hypothesis grows; normalised, a negative one is divided
        by at most the greatest length.
        """
        if len(self._complete) < self.wanted:
            return False
        bound = self.config.score(log_prob, self.longest + 1)
        return self._complete[0][0] >= bound

    def best(self) -> list[Hypothesis]:
        return [hypothesis for _, _, hypothesis in sorted(self._complete, reverse=True)]


def top(log_probs: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """The best ``width`` of each row, best first, of equal ones the lower id first.

    ``topk`` leaves open which of several equal values it takes. Rows where values are equal
    across the last place are ranked whole; within the chosen ones, ids decide.

    Returns:
        Values and ids, both [rows, width].
    """
    reach = min(width + 1, log_probs.shape[1])
    values, ids = log_probs.topk(reach, dim=1)
    if reach > width:
        tied = (values[:, width - 1] == values[:, width]).nonzero().squeeze(1)
        if len(tied):
            ranked = log_probs[tied].sort(dim=1, descending=True, stable=True)
            values[tied], ids[tied] = ranked.values[:, :reach], ranked.indices[:, :reach]
    ids, by_id = ids[:, :width].sort(dim=1)
    values = values[:, :width].gather(1, by_id)
    values, by_value = values.sort(dim=1, descending=True, stable=True)
    return values, ids.gather(1, by_value)
