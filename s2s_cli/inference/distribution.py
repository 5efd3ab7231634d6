"""The next word's distribution for a block of rows: used at once, and forgotten."""

import math
from collections.abc import Iterable
from typing import Protocol

import torch
from torch import Tensor

from s2s_cli.errors import UserError

# In place of the probability of a word that must not follow.
MASKED = -1.0
# The bits that a float64 has beyond those of a float32.
SPARE_BITS = (1 << 29) - 1
# Words that stand for each other in the first round of `top`, and in `candidates`.
GROUP = 32
# How far below a bound a rounded logarithm is still looked at: this, and this share of the bound.
SLACK, RELATIVE_SLACK = 1e-3, 1e-6


class Softmax(Protocol):
    """One model's distribution of the next word after each of a block of rows."""

    def ranking(self) -> Tensor:
        """[rows, vocabulary], in the order of probabilities within a row; not negative.

        This or `probabilities` can be had once, and overwritten.
        """

    def probabilities(self) -> Tensor:
        """[rows, vocabulary]."""

    def log_probs(self, rows: Tensor, words: Tensor) -> Tensor:
        """Log probability of ``words`` after ``rows``, which may be broadcast: [...] in float64."""

    def log_totals(self) -> Tensor | None:
        """[rows] in float64: `log_probs` are the logarithms of `ranking` less these, to the bit.

        None if they are computed in another way.
        """


def refuse_overflow(numbers: Tensor, origin: str) -> None:
    """Refuse to go on with ``numbers`` that are not all finite.

    Raises:
        UserError: names the model ``origin``, whose finite weights gave them.
    """
    if not bool(numbers.isfinite().all()):
        raise UserError(
            f"{origin}: its weights are too large to compute with, as they are after a training "
            "that diverged; take an earlier checkpoint, or train anew with a lower --learning-rate"
        )


class LogitsSoftmax:
    """The softmax of logits."""

    def __init__(self, logits: Tensor, origin: str = "model") -> None:
        """Take ``logits`` [rows, vocabulary].

        Raises:
            UserError: they give no probabilities; ``origin`` is where the model came from.
        """
        probabilities = logits.softmax(1)
        self.logits, self._taken_once = logits, [probabilities]
        # The largest probability is 1 / Σ exp(logit - largest logit).
        self.largest, self.log_share = logits.amax(1), probabilities.amax(1).log_()
        refuse_overflow(self.log_share, origin)

    def ranking(self) -> Tensor:
        return self._taken_once.pop()

    def probabilities(self) -> Tensor:
        return self._taken_once.pop()

    def log_probs(self, rows: Tensor, words: Tensor) -> Tensor:
        above = (self.logits[rows, words] - self.largest[rows]).double()
        return above + self.log_share[rows].double()

    def log_totals(self) -> None:
        return None


class Distribution:
    """Probabilities of the next word after each of a block of rows: the mean of its members'."""

    def __init__(self, members: Iterable[Softmax]) -> None:
        self.members = list(members)

    def ranking(self) -> Tensor:
        """[rows, vocabulary], ordered as the mean probabilities; not negative. To be had once.

        Words whose probability is below 1e-11, or what the type can hold, may be equal here, and
        only here.
        """
        first, *others = self.members
        if not others:
            return first.ranking()
        total = first.probabilities()
        for each in others:
            total += each.probabilities()
        return total

    def log_totals(self) -> Tensor | None:
        """Return those of the only member (`Softmax`); None where there are several."""
        return self.members[0].log_totals() if len(self.members) == 1 else None

    def log_probs(self, rows: Tensor, words: Tensor) -> Tensor:
        """Log probability of ``words`` after ``rows`` of the block, which may be broadcast.

        Returns:
            [..., 1 + members] in float64: of the mean of the members' probabilities, and of each
            member.
        """
        members = [each.log_probs(rows, words) for each in self.members]
        return torch.stack([log_mean(members), *members], -1)


def candidates(
    ranking: Tensor, shift: Tensor, sentence: Tensor, width: int
) -> tuple[Tensor, Tensor] | None:
    """Find all words that can be among the best ``width`` of a sentence, and few others.

    The ``width`` best groups of neighbours in a sentence give as many words at least, so that no
    word below the worst of these is among the best: such groups, and then such words, are skipped.

    Args:
        ranking: [rows, vocabulary], whole groups; logarithms are those of positive numbers.
        shift: [rows] in float64, what is added to the logarithms of a row.
        sentence: [rows] ascending; those of a sentence are ranked together.
        width: how many.

    Returns:
        Rows and words, in their order; None where too little is known to skip anything.
    """
    rows, vocabulary = ranking.shape
    groups = ranking.view(rows, vocabulary // GROUP, GROUP)
    _, part, counts = sentence.unique_consecutive(return_inverse=True, return_counts=True)
    slot = torch.arange(rows, device=part.device) - (counts.cumsum(0) - counts)[part]
    # A negative or a very small number is taken for a larger one; it must not reach the bound.
    tiny = torch.finfo(ranking.dtype).tiny
    upper = groups.amax(2).clamp_(min=tiny).log_().add_(shift.to(ranking.dtype)[:, None])
    line = upper.new_full((len(counts), int(counts.max()), upper.shape[1]), float("-inf"))
    line[part, slot] = upper
    if width > line[0].numel():
        return None
    bound = line.flatten(1).topk(width, dim=1).values[:, -1]
    bound -= SLACK + RELATIVE_SLACK * bound.abs()
    bound = bound[part]
    if bool((bound <= shift + math.log(tiny) + SLACK).any()):
        return None
    row, group = (upper >= bound[:, None]).nonzero(as_tuple=True)
    found = groups[row, group]
    logs = found.clamp(min=tiny).log_().add_(shift.to(ranking.dtype)[row, None])
    index, place = (logs >= bound[row, None]).nonzero(as_tuple=True)
    return row[index], group[index] * GROUP + place


def log_mean(log_probs: list[Tensor]) -> Tensor:
    """Log of the mean of probabilities, one tensor a member."""
    if len(log_probs) == 1:
        return log_probs[0]
    largest = log_probs[0]
    for each in log_probs[1:]:
        largest = largest.maximum(each)
    # Of words that are impossible to all, the difference would not be a number.
    largest = largest.clamp(min=-1e300)
    total = (log_probs[0] - largest).exp()
    for each in log_probs[1:]:
        total += (each - largest).exp()
    return total.log_().add_(largest).sub_(math.log(len(log_probs)))


def top(values: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """The best ``width`` of each row, best first, of equal ones the lower id first.

    Of groups of neighbours, only those can hold one of them whose own best are among the best
    ``width``, equal groups ranked likewise.

    Args:
        values: [rows, vocabulary], none negative but `MASKED`, which comes last.
        width: at most the vocabulary.

    Returns:
        Values and ids, both [rows, width].
    """
    rows, vocabulary = values.shape
    groups = vocabulary // GROUP
    if vocabulary % GROUP or groups <= 2 * width:
        return ranked(values, width)
    grouped = values.view(rows, groups, GROUP)
    chosen = ranked(grouped.amax(2), width)[1].sort(1).values
    ids = (chosen[:, :, None] * GROUP + torch.arange(GROUP, device=values.device)).flatten(1)
    best, places = ranked(values.gather(1, ids), width)
    return best, ids.gather(1, places)


def ranked(values: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """The best ``width`` of each row and their places, best first, of equal ones the first."""
    if values.dtype != torch.float32:
        whole = values.sort(dim=1, descending=True, stable=True)
        return whole.values[:, :width], whole.indices[:, :width]
    # ``topk`` leaves open which of equal numbers it takes, so no two may be equal. The bits of
    # positive numbers order like the numbers, and made float64, a number has bits to spare.
    last = values.shape[1] - 1
    keys = values.double().view(torch.int64)
    keys += torch.arange(last, -1, -1, device=values.device)
    places = last - (keys.topk(width, dim=1).values & SPARE_BITS)
    return values.gather(1, places), places
