"""Stack decoding with cube pruning (Koehn et al. 2007; Huang and Chiang 2007).

A stack holds the hypotheses that cover as many words. Hypotheses that have the same future are one
node, which keeps an arc for each way that leads to it: the n-best list is read from these arcs.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from smt.features import BACKWARD, DISTORTION, FORWARD, LM
from smt.language_model import BEGIN, END, LanguageModel
from smt.options import FutureCosts, Option, OptionMaker, Spans, Three
from smt.phrases import DISCONTINUOUS, MONOTONE, SWAP
from smt.table_file import TranslationTable

NOTHING = (0.0, 0.0, 0.0)  # orientation scores before the first phrase


@dataclass(frozen=True)
class Limits:
    """Sizes of the search.

    Attributes:
        stack: nodes of a stack that are gone on with.
        pops: hypotheses that are made for a stack.
        distortion: how far a phrase may be from the one before, and from the first free word.
        phrase: most source words of a phrase.
    """

    stack: int = 100
    pops: int = 400
    distortion: int = 6
    phrase: int = 7


@dataclass(slots=True, eq=False)
class Node:
    """Hypotheses with the same future.

    Attributes:
        covered: a bit for each source word.
        first, last: the source span of the last phrase.
        state: of the language model.
        forward: orientation scores of the last phrase towards the next one.
        score: of the best way to it.
        future: estimate of what is not covered.
        arcs: the last step of each way to it.
    """

    covered: int
    first: int
    last: int
    state: int
    forward: Three
    score: float
    future: float
    arcs: "list[Arc]" = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Arc:
    """One more phrase: from which node, its option, and what it adds to the score and features."""

    before: Node
    option: Option
    delta: float
    lm: float
    jump: int
    turn: int


@dataclass(frozen=True, slots=True, eq=False)
class Cube:
    """All nodes of one coverage with all options of one span: both sorted, the best first.

    Attributes:
        nodes, options: what is combined.
        covered: the coverage afterwards.
        turn: the orientation.
        jump: the distance on the source side.
        base: the part of the priority that is the same for all.
    """

    nodes: list[Node]
    options: list[Option]
    covered: int
    turn: int
    jump: int
    base: float


class Decoder:
    """Searches for translations."""

    def __init__(
        self,
        lm: LanguageModel,
        table: TranslationTable,
        weights: Sequence[float],
        limits: Limits = Limits(),
    ) -> None:
        """Take the models and their weights."""
        self.lm, self.weights, self.limits = lm, list(weights), limits
        self.maker = OptionMaker(lm, table, weights, limits.phrase)

    def search(self, sentence: Sequence[str]) -> tuple[Node, Node]:
        """Return the node of all complete translations, and the one that all begin at.

        The sentence must not be empty.
        """
        self.lm.forget()
        return Search(self, self.maker.options(sentence), len(sentence)).run()


class Search:
    """The search for the translations of one sentence."""

    def __init__(self, decoder: Decoder, spans: Spans, size: int) -> None:
        """Prepare the empty hypothesis."""
        self.lm, self.limits = decoder.lm, decoder.limits
        self.spans, self.size = spans, size
        weights = decoder.weights
        self.backward = weights[BACKWARD:FORWARD]
        self.forward = weights[FORWARD:DISTORTION]
        self.distortion, self.lm_weight = weights[DISTORTION], weights[LM]
        self.costs = FutureCosts(spans, size)
        self.root = Node(0, -1, -1, BEGIN, NOTHING, 0.0, self.costs.uncovered(0))
        self.cubes: list[list[Cube]] = [[] for _ in range(size + 1)]

    def run(self) -> tuple[Node, Node]:
        """Fill one stack after the other."""
        kept = [self.root]
        for count in range(1, self.size + 1):
            self._expand(kept, count - 1)
            stack = self._fill(count)
            kept = heapq.nlargest(self.limits.stack, stack, key=lambda n: n.score + n.future)
        return kept[0], self.root

    def _expand(self, nodes: list[Node], count: int) -> None:
        """Make the cubes that begin at the nodes of one stack."""
        groups: defaultdict[tuple[int, int, int], list[Node]] = defaultdict(list)
        for node in nodes:
            groups[node.covered, node.first, node.last].append(node)
        for (covered, first, last), members in groups.items():
            members.sort(key=lambda node: -node.score)
            for start, end in self._next_spans(covered, last):
                turn = MONOTONE if start == last + 1 else SWAP if end == first else DISCONTINUOUS
                jump = abs(start - last - 1)
                new = covered | ((1 << (end - start)) - 1) << start
                base = self.costs.uncovered(new) - self.distortion * jump
                options = self.spans[start, end - 1]
                cube = Cube(members, options, new, turn, jump, base)
                self.cubes[count + end - start].append(cube)

    def _next_spans(self, covered: int, last: int) -> Iterator[tuple[int, int]]:
        """Free spans within the distortion limit, from which the first free word is in reach."""
        gap = (~covered & (covered + 1)).bit_length() - 1
        limit = self.limits.distortion
        for start in range(gap, min(self.size, last + limit + 2)):
            if last + 1 - start > limit:
                continue
            for end in range(start + 1, min(start + self.limits.phrase, self.size) + 1):
                if covered >> (end - 1) & 1 or (start != gap and end - gap > limit):
                    break
                if (start, end - 1) in self.spans:
                    yield start, end

    def _priority(self, cube: Cube, i: int, j: int) -> float:
        """Estimate a combination without its language model context; negative, for the heap."""
        node, option, turn = cube.nodes[i], cube.options[j], cube.turn
        return -(
            node.score
            + self.forward[turn] * node.forward[turn]
            + option.estimate
            + self.backward[turn] * option.backward[turn]
            + cube.base
        )

    def _fill(self, count: int) -> list[Node]:
        """Combine the best of the cubes of one stack."""
        cubes = self.cubes[count]
        heap = [(self._priority(cube, 0, 0), number, 0, 0) for number, cube in enumerate(cubes)]
        heapq.heapify(heap)
        seen: set[tuple[int, int, int]] = set()
        stack: dict[object, Node] = {}
        for _ in range(self.limits.pops):
            if not heap:
                break
            _, number, i, j = heapq.heappop(heap)
            cube = cubes[number]
            self._add(stack, cube, cube.nodes[i], cube.options[j], count == self.size)
            for place in (number, i + 1, j), (number, i, j + 1):
                inside = place[1] < len(cube.nodes) and place[2] < len(cube.options)
                if inside and place not in seen:
                    seen.add(place)
                    heapq.heappush(heap, (self._priority(cube, *place[1:]), *place))
        self.cubes[count] = []
        return list(stack.values())

    def _add(
        self, stack: dict[object, Node], cube: Cube, node: Node, option: Option, complete: bool
    ) -> None:
        """Put one hypothesis on the stack, or onto the node that has the same future."""
        turn = cube.turn
        lm, state = self.lm.phrase(node.state, option.words)
        key: object = (cube.covered, option.first, option.last, state, option.forward)
        if complete:
            lm += self.lm.step(state, END)[0]
            key = None
        delta = (
            option.fixed
            + self.lm_weight * lm
            - self.distortion * cube.jump
            + self.backward[turn] * option.backward[turn]
            + self.forward[turn] * node.forward[turn]
        )
        score = node.score + delta
        there = stack.get(key)
        if there is None:
            there = stack[key] = Node(
                cube.covered,
                option.first,
                option.last,
                state,
                option.forward,
                score,
                self.costs.uncovered(cube.covered),
            )
        elif score > there.score:
            there.score = score
        there.arcs.append(Arc(node, option, delta, lm, cube.jump, turn))
