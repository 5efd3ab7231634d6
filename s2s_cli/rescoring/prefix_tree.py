"""Forced decoding of n-best lists (§3.2): each distinct prefix is computed once."""

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby, pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor

from s2s_cli.inference.distribution import Distribution
from s2s_cli.inference.scorer import Scorer
from s2s_cli.model.parts import BatchParts
from s2s_cli.text.vocabulary import EOS

# Hypotheses scored together: states and trees are what takes memory.
MOST_HYPOTHESES = 4096
SLACK = 1.125  # no piece of a few that are left over

# A source and its hypotheses, as ids.
HypothesisList = tuple[Sequence[int], Sequence[Sequence[int]]]


def score_lists(
    scorer: Scorer, lists: Iterable[HypothesisList], parts: BatchParts | None = None
) -> Iterator[list[float]]:
    """The log probabilities of each list's hypotheses given its source, list by list.

    Lists are scored together, and long ones in pieces, so that memory is bounded whatever their
    number and length; the scores do not depend on that.

    Args:
        scorer: model or ensemble.
        lists: may be endless; read a little ahead.
        parts: for memory that runs out; None: nothing is known of it yet.
    """
    parts = parts or BatchParts("groups of hypotheses")
    group: list[HypothesisList] = []
    size = 0
    for each in lists:
        group.append(each)
        size += len(each[1])
        if size >= MOST_HYPOTHESES:
            yield from score_group(scorer, group, parts)
            group, size = [], 0
    yield from score_group(scorer, group, parts)


def score_group(
    scorer: Scorer, group: Sequence[HypothesisList], parts: BatchParts | None = None
) -> Iterator[list[float]]:
    """Score a few lists, in even pieces where they are too many hypotheses together."""
    parts = parts or BatchParts("groups of hypotheses")
    flat = sorted(
        (index, tuple(hypothesis), place)
        for index, (_, hypotheses) in enumerate(group)
        for place, hypothesis in enumerate(hypotheses)
    )
    scores = [[0.0] * len(hypotheses) for _, hypotheses in group]
    # In sorted order, hypotheses that share a prefix stay together when a list is cut.
    pieces = max(1, math.ceil(len(flat) / (SLACK * MOST_HYPOTHESES)))
    size = max(1, math.ceil(len(flat) / pieces))
    together = partial(piece_scores, scorer, group)
    for start in range(0, len(flat), size):
        piece = flat[start : start + size]
        totals = parts.compute_each(piece, together)
        for (index, _, place), total in zip(piece, totals, strict=True):
            scores[index][place] = total
    yield from scores


def piece_scores(
    scorer: Scorer, group: Sequence[HypothesisList], piece: Sequence[tuple[int, Any, int]]
) -> list[float]:
    """Score a piece of the hypotheses of a group: index of the list, hypothesis, place there."""
    lists = [
        (group[index][0], [hypothesis for _, hypothesis, _ in members])
        for index, members in groupby(piece, key=lambda item: item[0])
    ]
    totals: list[float] = log_probabilities(scorer, lists)[:, 0].tolist()
    return totals


class Level(NamedTuple):
    """The distinct prefixes of one length, over all lists that are scored together.

    Attributes:
        parents: index of each prefix without its last token, in the level before; of the empty
            prefix the index of its list.
        tokens: its last token; of the empty prefix `EOS`, which the decoder reads first.
        complete: the hypotheses that end here.
        ends: the prefix that each of them is.
    """

    parents: Tensor
    tokens: Tensor
    complete: Tensor
    ends: Tensor


@torch.inference_mode()
def log_probabilities(scorer: Scorer, lists: Sequence[HypothesisList]) -> Tensor:
    """Log probability of every hypothesis given its source, `EOS` included.

    Args:
        scorer: model or ensemble.
        lists: sources and their hypotheses.

    Returns:
        [hypotheses of all lists, 1 + members] in float64: of the scorer, then of each member.
    """
    state = scorer.start([source for source, _ in lists])
    levels = [
        Level(*(each.to(scorer.device) for each in level))
        for level in build_levels([hypotheses for _, hypotheses in lists])
    ]
    count = sum(len(hypotheses) for _, hypotheses in lists)
    result = torch.zeros(count, 1 + scorer.members, dtype=torch.float64, device=scorer.device)
    so_far = torch.zeros_like(result)
    none = torch.zeros(0, dtype=torch.long, device=scorer.device)
    for level, after in pairwise([*levels, Level(none, none, none, none)]):
        state = scorer.select(state, level.parents)
        state = scorer.step(state, level.tokens)
        # What has to be known at this level: the next tokens of its prefixes, and EOS.
        rows = torch.cat([after.parents, level.ends])
        wanted = torch.cat([after.tokens, torch.full_like(level.ends, EOS)])
        totals = so_far[rows] + next_log_probs(scorer, state, rows, wanted)
        so_far, complete = totals[: len(after.parents)], totals[len(after.parents) :]
        result[level.complete] = complete
    return result


def build_levels(lists: Sequence[Sequence[Sequence[int]]]) -> list[Level]:
    """The trees of all lists, level by level; level 0 holds the empty prefix of each list.

    Hypotheses are sorted, so that a prefix is new exactly where a hypothesis differs from the one
    before, there or earlier. Memory is that of the tokens, however long one hypothesis is.
    """
    every = ((index, each) for index, hypotheses in enumerate(lists) for each in hypotheses)
    flat = sorted((index, [EOS, *each], number) for number, (index, each) in enumerate(every))
    owners, numbers = (torch.tensor([each[at] for each in flat], dtype=torch.long) for at in (0, 2))
    lengths = torch.tensor([len(each) for _, each, _ in flat], dtype=torch.long)
    tokens = torch.tensor([token for _, each, _ in flat for token in each], dtype=torch.long)
    starts = lengths.cumsum(0) - lengths
    row = torch.arange(len(flat)).repeat_interleave(lengths)
    depth = torch.arange(len(tokens)) - starts[row]
    new = starts_new_prefix(tokens, owners, lengths, starts, row, depth)

    place = torch.empty_like(tokens)
    levels: list[Level] = []
    order = depth.argsort(stable=True).split(depth.bincount().tolist())
    for length, at in enumerate(order):
        place[at] = new[at].cumsum(0) - 1
        added = at[new[at]]
        parents = place[added - 1] if length else owners[row[added]]
        last = at[lengths[row[at]] == length + 1]
        levels.append(Level(parents, tokens[added], numbers[row[last]], place[last]))
    return levels


def starts_new_prefix(
    tokens: Tensor, owners: Tensor, lengths: Tensor, starts: Tensor, row: Tensor, depth: Tensor
) -> Tensor:
    """Mark each of ``tokens`` up to which the hypothesis differs from the one before.

    Args:
        tokens: of sorted hypotheses, one after the other: [n], as are the results.
        owners: the list of each hypothesis; that before may be of another one.
        lengths: of each hypothesis.
        starts: place of its first token.
        row: hypothesis of each token.
        depth: place of each token in its hypothesis.
    """
    before = (row - 1).clamp(min=0)
    same_place = (starts[before] + depth).clamp(max=max(len(tokens) - 1, 0))
    differs = (depth >= lengths[before]) | (tokens[same_place] != tokens)
    differs[starts] = owners != torch.cat([owners[:1] - 1, owners[:-1]])
    so_far = differs.cumsum(0)
    return so_far > (so_far - differs.long())[starts][row]


def next_log_probs(scorer: Scorer, state: Any, rows: Tensor, wanted: Tensor) -> Tensor:
    """Log probabilities of token ``wanted[i]`` after row ``rows[i]``: [wanted, 1 + members]."""
    result = torch.empty(len(rows), 1 + scorer.members, dtype=torch.float64, device=scorer.device)
    order = rows.argsort()
    cuts = scorer.blocks(state)
    stops = torch.tensor([block.stop for block in cuts], device=scorer.device)
    counts = torch.searchsorted(rows[order], stops).diff(prepend=stops.new_zeros(1)).tolist()
    for block, places in zip(cuts, order.split(counts), strict=True):
        following = Distribution(scorer.softmaxes(state, block))
        result[places] = following.log_probs(rows[places] - block.start, wanted[places])
    return result
