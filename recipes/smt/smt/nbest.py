"""N-best lists: the best different translations in the graph of a search, exactly.

A* from the end of the sentence back to its beginning (Och, Ueffing and Ney 2001): the score of a
node is the best score of what stands before it, so translations come out in the order of their
scores. Two ways from one node to the same words have the same beginnings, so the worse of them is
dropped; thus each translation comes once, by its best derivation.
"""

import heapq
from collections.abc import Sequence
from typing import NamedTuple

from smt.features import (
    BACKWARD,
    COUNT,
    DISTORTION,
    FORWARD,
    LM,
    PHRASES,
    TRANSLATION,
    WORDS,
    weighted,
)
from smt.search import Arc, Decoder, Node

TRIES = 100_000  # steps of A* for a list; only lists of very similar ways come near it


class Translation(NamedTuple):
    """One entry of a list."""

    text: str
    features: list[float]
    total: float


Chain = tuple[Arc, "Chain"] | None  # the arcs from a node to the end


def nbest(
    decoder: Decoder, sentence: Sequence[str], most: int, tries: int = TRIES
) -> list[Translation]:
    """Find the ``most`` best different translations of a sentence, the best first.

    Args:
        decoder: what to search with.
        sentence: source words; without any there is no translation.
        most: how many.
        tries: steps after which the list ends even if it is shorter.
    """
    if not sentence:
        return []
    goal, root = decoder.search(sentence)
    return [
        Translation(text, *features(chain, decoder.weights))
        for text, chain in best_chains(goal, root, most, tries)
    ]


def best_chains(goal: Node, root: Node, most: int, tries: int) -> list[tuple[str, Chain]]:
    """Find the best derivations of different texts."""
    start: tuple[str, Chain] = "", None
    heap: list[tuple[float, int, Node, Arc | None, float, tuple[str, Chain]]]
    heap = [(-goal.score, 0, goal, None, 0.0, start)]
    number = 1
    found: list[tuple[str, Chain]] = []
    seen: set[tuple[int, str]] = set()
    for _ in range(tries):
        if not heap or len(found) == most:
            break
        _, _, node, arc, after, (text, chain) = heapq.heappop(heap)
        if arc is not None:
            text = f"{arc.option.text} {text}" if text else arc.option.text
            chain = arc, chain
        if (id(node), text) in seen:
            continue
        seen.add((id(node), text))
        if node is root:
            found.append((text, chain))
            continue
        behind = text, chain
        for each in node.arcs:
            here = after + each.delta
            entry = -(each.before.score + here), number, each.before, each, here, behind
            heapq.heappush(heap, entry)
            number += 1
    return found


def features(chain: Chain, weights: Sequence[float]) -> tuple[list[float], float]:
    """Sum the features of a derivation, and the score with the penalty of unknown words."""
    values = [0.0] * COUNT
    unknown = 0.0
    while chain is not None:
        arc, chain = chain
        option = arc.option
        values[BACKWARD + arc.turn] += option.backward[arc.turn]
        values[FORWARD + arc.turn] += arc.before.forward[arc.turn]
        values[DISTORTION] -= arc.jump
        values[LM] += arc.lm
        values[WORDS] -= len(option.words)
        values[PHRASES] += 1
        for place, value in enumerate(option.translation, TRANSLATION):
            values[place] += value
        unknown += option.unknown
    return values, weighted(weights, values) + unknown
