"""The course of a beam search, as a tree of hypotheses."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from s2s_cli.text.vocabulary import EOS


@dataclass(frozen=True)
class TracedHypothesis:
    """A hypothesis that was in the beam after a step.

    Attributes:
        step: from 1; as many tokens as the hypothesis has, `EOS` counted.
        rank: among those of the step, from 1 for the best.
        parent: place in `SearchTrace.hypotheses` of what it extends by a token; None: the start.
        token: which is `EOS` where it ended.
        log_probs: its own, natural, then those under each member.
        searched: the next step tried to extend it.
    """

    step: int
    rank: int
    parent: int | None
    token: int
    log_probs: list[float]
    searched: bool

    @property
    def ended(self) -> bool:
        return self.token == EOS


class SearchTrace:
    """A record of the search of one sentence, which the search itself writes (`beam.search`).

    Attributes:
        hypotheses: in the order of steps, those of a step best first.
        beam: of each row that is being searched, the place in ``hypotheses``; at first the start.
    """

    def __init__(self) -> None:
        self.hypotheses: list[TracedHypothesis] = []
        self.beam: list[int | None] = [None]
        self.steps = 0

    def add_step(self, parents: Tensor, tokens: Tensor, log_probs: Tensor, alive: Tensor) -> None:
        """Add the extensions that entered the beam, best first.

        Args:
            parents: [rows] the rows of the step before that they extend.
            tokens: [rows] which they took.
            log_probs: [rows, 1 + members] of them.
            alive: those of the rows that are searched on.
        """
        self.steps += 1
        start, searched = len(self.hypotheses), set(alive.tolist())
        rows = zip(parents.tolist(), tokens.tolist(), log_probs.tolist(), strict=True)
        for row, (parent, token, of_row) in enumerate(rows):
            self.hypotheses.append(
                TracedHypothesis(
                    self.steps, row + 1, self.beam[parent], token, of_row, row in searched
                )
            )
        self.beam = [start + row for row in alive.tolist()]

    def path(self, place: int) -> list[int]:
        """The places of a hypothesis and all that it extends, the shortest first."""
        found, at = [], place
        while at is not None:
            found.append(at)
            at = self.hypotheses[at].parent  # type: ignore[assignment]
        return found[::-1]

    def tokens(self, place: int) -> list[int]:
        """The ids of a hypothesis, without `EOS`."""
        ids = [self.hypotheses[each].token for each in self.path(place)]
        return ids[:-1] if ids[-1] == EOS else ids

    def ranks(self, best: Sequence[Sequence[int]]) -> dict[int, int]:
        """Place of each complete hypothesis of ``best``, and its rank there, from 1.

        Args:
            best: ids without `EOS`, as search has sorted them.
        """
        ended = [place for place, each in enumerate(self.hypotheses) if each.ended]
        places = {tuple(self.tokens(place)): place for place in ended}
        return {places[tuple(each)]: rank for rank, each in enumerate(best, 1)}
