"""Forced decoding of n-best lists (§3.2): each distinct prefix is computed once."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any

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


@dataclass
class Level:
    """The distinct prefixes of one length, over all lists that are scored together.

    Attributes:
        parents: index of each prefix without its last token, in the level before.
        tokens: its last token.
        ends: (hypothesis, prefix) where a hypothesis ends here.
    """

    parents: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    ends: list[tuple[int, int]] = field(default_factory=list)


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
    levels = build_levels([hypotheses for _, hypotheses in lists])
    count = sum(len(hypotheses) for _, hypotheses in lists)
    result = torch.zeros(count, 1 + scorer.members, dtype=torch.float64, device=scorer.device)
    so_far = torch.zeros(len(lists), 1 + scorer.members, dtype=torch.float64, device=scorer.device)
    for level, after in zip(levels, [*levels[1:], Level()], strict=True):
        state = scorer.select(state, as_tensor(level.parents, scorer))
        state = scorer.step(state, as_tensor(level.tokens, scorer))
        # What has to be known at this level: the next tokens of its prefixes, and EOS.
        rows = as_tensor([*after.parents, *(prefix for _, prefix in level.ends)], scorer)
        wanted = as_tensor([*after.tokens, *(EOS for _ in level.ends)], scorer)
        totals = so_far[rows] + next_log_probs(scorer, state, rows, wanted)
        so_far, complete = totals[: len(after.parents)], totals[len(after.parents) :]
        result[as_tensor([hypothesis for hypothesis, _ in level.ends], scorer)] = complete
    return result


def as_tensor(values: list[int], scorer: Scorer) -> Tensor:
    return torch.tensor(values, dtype=torch.long, device=scorer.device)


def build_levels(lists: Sequence[Sequence[Sequence[int]]]) -> list[Level]:
    """The trees of all lists, level by level; level 0 holds the empty prefix of each list."""
    levels = [Level()]
    number = 0
    for index, hypotheses in enumerate(lists):
        levels[0].parents.append(index)
        levels[0].tokens.append(EOS)
        children: dict[tuple[int, int, int], int] = {}
        for hypothesis in hypotheses:
            prefix = index
            for depth, token in enumerate(hypothesis, 1):
                prefix = find_or_add(levels, children, (depth, prefix, token))
            levels[len(hypothesis)].ends.append((number, prefix))
            number += 1
    return levels


def find_or_add(
    levels: list[Level], children: dict[tuple[int, int, int], int], key: tuple[int, int, int]
) -> int:
    """Find the prefix that adds a token to another one, or add it to its level.

    Args:
        levels: of all trees.
        children: index in its level of each prefix of the present tree.
        key: length of the prefix, index of its parent and last token.
    """
    found = children.get(key)
    if found is not None:
        return found
    depth, parent, token = key
    if depth == len(levels):
        levels.append(Level())
    level = levels[depth]
    children[key] = len(level.tokens)
    level.parents.append(parent)
    level.tokens.append(token)
    return children[key]


def next_log_probs(scorer: Scorer, state: Any, rows: Tensor, wanted: Tensor) -> Tensor:
    """Log probabilities of token ``wanted[i]`` after row ``rows[i]``: [wanted, 1 + members]."""
    result = torch.empty(len(rows), 1 + scorer.members, dtype=torch.float64, device=scorer.device)
    order = rows.argsort()
    cuts = scorer.blocks(state)
    stops = as_tensor([block.stop for block in cuts], scorer)
    counts = torch.searchsorted(rows[order], stops).diff(prepend=stops.new_zeros(1)).tolist()
    for block, places in zip(cuts, order.split(counts), strict=True):
        following = Distribution(scorer.softmaxes(state, block))
        result[places] = following.log_probs(rows[places] - block.start, wanted[places])
    return result
