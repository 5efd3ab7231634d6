"""Beam search against everything there is, against scripts, and against itself in company."""

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from variants import log_prob, log_probs

from s2s_cli.decoding.beam import Hypothesis, search
from s2s_cli.decoding.config import BeamConfig
from s2s_cli.inference.distribution import LogitsSoftmax, Softmax
from s2s_cli.inference.ensemble import Ensemble
from s2s_cli.inference.scorer import ModelScorer
from s2s_cli.model.config import Precision, Shape
from s2s_cli.model.products import BLOCK_SIZES, PrepackedLinear
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.text.vocabulary import EOS, UNK

WORDS = 4  # EOS, UNK and two words


def model(seed: int, spread: float = 1.5) -> Seq2Seq:
    network = Seq2Seq(Shape(7, WORDS, layers=2, hidden_size=6, embedding_size=5)).double().eval()
    network.initialise(spread, torch.Generator().manual_seed(seed))
    return network.requires_grad_(False)


def every_target(longest: int) -> list[tuple[int, ...]]:
    return [
        words
        for length in range(longest + 1)
        for words in itertools.product(range(1, WORDS), repeat=length)
    ]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("normalise", [0.0, 1.0])
def test_a_beam_that_holds_everything_finds_the_best_of_everything(
    seed: int, normalise: float
) -> None:
    network, source, longest = model(seed), [2, 6, 3], 4
    config = BeamConfig(beam=WORDS**5, nbest=10, normalise=normalise, max_length=longest)
    scores = {
        words: log_prob(network, source, words) / (len(words) + 1) ** normalise
        for words in every_target(longest)
    }
    ranked = sorted(scores, key=lambda words: -scores[words])[:10]
    [found] = search(ModelScorer(network), [source], config)
    assert [tuple(each.tokens) for each in found] == ranked
    for each in found:
        assert each.score == pytest.approx(scores[tuple(each.tokens)], rel=1e-12)
        assert each.log_prob == pytest.approx(log_prob(network, source, each.tokens), rel=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_an_ensemble_averages_probabilities_at_each_step(seed: int) -> None:
    networks, source, longest = [model(seed), model(seed + 50), model(seed + 90)], [2, 6], 3

    def averaged(target: Sequence[int]) -> float:
        total = 0.0
        for length, word in enumerate([*target, EOS]):
            probabilities = []
            for network in networks:
                after = log_probs(network, source, target[:length])[-1]
                probabilities.append(float(after[word].exp()))
            total += math.log(sum(probabilities) / len(probabilities))
        return total

    config = BeamConfig(beam=WORDS**4, nbest=5, max_length=longest)
    [found] = search(Ensemble([ModelScorer(each) for each in networks]), [source], config)
    ranked = sorted(every_target(longest), key=lambda words: -averaged(words))[:5]
    assert [tuple(each.tokens) for each in found] == ranked
    for each in found:
        assert each.log_prob == pytest.approx(averaged(each.tokens), rel=1e-12)
        assert each.member_log_probs == pytest.approx(
            [log_prob(network, source, each.tokens) for network in networks], rel=1e-12
        )


class Script:
    """A scorer whose next-token probabilities are written down for each prefix."""

    members = 1
    device = torch.device("cpu")
    flops = 0

    def __init__(self, script: dict[tuple[int, ...], dict[int, float]], vocabulary: int) -> None:
        self.script, self.vocabulary = script, vocabulary
        self.asked: list[tuple[int, ...]] = []

    def start(self, sources: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
        return [() for _ in sources]

    def step(self, state: list[tuple[int, ...]], tokens: Tensor) -> list[tuple[int, ...]]:
        after = [(*prefix, token) for prefix, token in zip(state, tokens.tolist(), strict=True)]
        self.asked += after
        return after

    def blocks(self, state: list[tuple[int, ...]]) -> list[slice]:
        return [slice(row, row + 1) for row in range(len(state))]

    def softmaxes(self, state: list[tuple[int, ...]], block: slice) -> Iterator[Softmax]:
        log_probs = torch.full((1, self.vocabulary), float("-inf"), dtype=torch.float64)
        [prefix] = state[block]
        for token, probability in self.script[prefix[1:]].items():
            log_probs[0, token] = math.log(probability)
        yield LogitsSoftmax(log_probs)

    def select(self, state: list[tuple[int, ...]], rows: Tensor) -> list[tuple[int, ...]]:
        return [state[row] for row in rows.tolist()]


# The greedy path 2 → EOS has probability 0.6 · 0.5 = 0.3; 3 → 2 → EOS has 0.4 · 1 · 0.9 = 0.36.
GARDEN_PATH = {
    (): {2: 0.6, 3: 0.4},
    (2,): {EOS: 0.5, 3: 0.5},
    (2, 3): {EOS: 0.5, 2: 0.5},
    (2, 3, 2): {EOS: 1.0},
    (3,): {2: 1.0},
    (3, 2): {EOS: 0.9, 3: 0.1},
    (3, 2, 3): {EOS: 1.0},
}


def best(scorer: Script, **settings: float) -> Hypothesis:
    return search(scorer, [[2]], BeamConfig(**settings))[0][0]  # type: ignore[arg-type]


def test_greedy_search_takes_the_garden_path_and_beam_two_does_not() -> None:
    greedy = best(Script(GARDEN_PATH, 4), beam=1)
    assert greedy.tokens == [2]
    assert greedy.log_prob == pytest.approx(math.log(0.3))
    wider = best(Script(GARDEN_PATH, 4), beam=2)
    assert wider.tokens == [3, 2]
    assert wider.log_prob == pytest.approx(math.log(0.36))


class ScriptedEnsemble(Ensemble):
    """An ensemble of scripts, which have no products to cut rows for."""

    def blocks(self, state: list[Any]) -> list[slice]:
        return [slice(row, row + 1) for row in range(len(state[0]))]


def test_an_ensemble_keeps_what_is_best_by_the_mean_not_by_a_member() -> None:
    """The first member likes 2 so much that its own beam would have no room for 3 2."""
    after: dict[tuple[int, ...], dict[int, float]] = {
        (2,): {2: 0.5, EOS: 0.5},
        (3,): {2: 0.8, EOS: 0.2},
        (2, 2): {EOS: 1},
        (3, 2): {EOS: 1},
    }
    members: list[Any] = [
        Script({(): {2: first, 3: 1 - first}, **after}, 4) for first in (0.9, 0.1)
    ]
    for order in (members, members[::-1]):
        [[found]] = search(ScriptedEnsemble(order), [[2]], BeamConfig(beam=2))
        assert found.tokens == [3, 2]
        assert found.log_prob == pytest.approx(math.log(0.4))


def test_search_stops_when_nothing_unfinished_can_win() -> None:
    scorer = Script({(): {EOS: 0.6, 2: 0.4}, (2,): {2: 1.0}}, 3)
    assert best(scorer, beam=2).tokens == []
    assert scorer.asked == [(EOS,)]  # 0.6 is complete; 0.4 cannot grow


def test_search_goes_on_while_something_unfinished_can_still_win() -> None:
    scorer = Script({(): {EOS: 0.4, 2: 0.6}, (2,): {EOS: 0.9, 2: 0.1}, (2, 2): {EOS: 1.0}}, 3)
    found = best(scorer, beam=2)
    assert found.tokens == [2]
    assert found.log_prob == pytest.approx(math.log(0.54))


def test_length_normalisation_reaches_for_the_longer_hypothesis() -> None:
    script = {(): {EOS: 0.5, 2: 0.5}, (2,): {2: 0.9, EOS: 0.1}, (2, 2): {EOS: 1.0}}
    assert best(Script(script, 3), beam=2, max_length=2).tokens == []
    assert best(Script(script, 3), beam=2, max_length=2, normalise=1.0).tokens == [2, 2]


def test_the_length_limit_ends_what_does_not_end_itself() -> None:
    script = {(2,) * length: {2: 0.75, EOS: 0.25} for length in range(5)}
    found = best(Script(script, 3), beam=1, max_length=3)
    assert (found.tokens, found.at_limit) == ([2, 2, 2], True)
    assert found.log_prob == pytest.approx(math.log(0.75**3 * 0.25))


def test_every_sentence_of_a_batch_has_the_limit_of_its_own_length() -> None:
    script = {(2,) * length: {2: 0.75, EOS: 0.25} for length in range(20)}
    for sources in ([[2], [2] * 4], [[2] * 4, [2]]):
        found = search(Script(script, 3), sources, BeamConfig(beam=1))
        assert [len(each.tokens) for [each] in found] == [10 + 2 * len(each) for each in sources]


class ScriptBySource(Script):
    """A script whose prefixes begin with the source but for its first word, and `EOS`."""

    def start(self, sources: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
        return [tuple(source) for source in sources]


def test_sentences_of_a_batch_may_have_different_numbers_of_hypotheses() -> None:
    """After one word the first sentence has one hypothesis in its beam, the second has two."""
    script: dict[tuple[int, ...], dict[int, float]] = {
        (EOS,): {EOS: 0.4, 2: 0.6},
        (EOS, 2): {EOS: 0.9, 2: 0.1},
        (EOS, 2, 2): {EOS: 1.0},
        (6, EOS): {2: 0.6, 3: 0.4},
        (6, EOS, 2): {EOS: 0.3, 3: 0.7},
        (6, EOS, 3): {EOS: 0.9, 2: 0.1},
        (6, EOS, 2, 3): {EOS: 1.0},
        (6, EOS, 3, 2): {EOS: 1.0},
    }
    for sources, expected in (([[5], [5, 6]], [[2], [2, 3]]), ([[5, 6], [5]], [[2, 3], [2]])):
        found = search(ScriptBySource(script, 4), sources, BeamConfig(beam=2))
        assert [each.tokens for [each] in found] == expected


def test_what_can_never_end_gives_nothing() -> None:
    script = {(2,) * length: {2: 1.0} for length in range(5)}
    assert search(Script(script, 3), [[2]], BeamConfig(beam=2, max_length=3)) == [[]]


def test_forbidden_unk_is_never_written() -> None:
    script = {(): {UNK: 0.7, 2: 0.3}, (UNK,): {EOS: 1.0}, (2,): {EOS: 1.0}}
    assert best(Script(script, 3), beam=1).tokens == [UNK]
    assert best(Script(script, 3), beam=1, forbid_unk=True).tokens == [2]


def test_ties_go_to_the_lower_id() -> None:
    script: dict[tuple[int, ...], dict[int, float]] = {(): dict.fromkeys(range(2, 10), 0.125)}
    script |= {(word,): {EOS: 1.0} for word in range(2, 10)}
    found = search(Script(script, 10), [[2]], BeamConfig(beam=5, nbest=5))[0]
    assert [each.tokens for each in found] == [[2], [3], [4], [5], [6]]


def random_sources(count: int) -> list[list[int]]:
    generator = torch.Generator().manual_seed(7)
    lengths = torch.randint(1, 9, (count,), generator=generator).tolist()
    return [torch.randint(1, 7, (n,), generator=generator).tolist() for n in lengths]


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_company_and_order_change_no_bit(precision: Precision) -> None:
    """Where the order of a sum could show; enough rows for large blocks and for small ones."""
    shape = Shape(7, 300, layers=2, hidden_size=45, embedding_size=40)
    network = Seq2Seq(shape).eval().requires_grad_(False)
    network.initialise(0.5, torch.Generator().manual_seed(8))
    scorer, config = (
        ModelScorer(network, precision=precision),
        BeamConfig(5, nbest=3, max_length=12),
    )
    sources = random_sources(60)
    together = search(scorer, sources, config)
    backwards = search(scorer, sources[::-1], config)[::-1]
    alone = [search(scorer, [source], config)[0] for source in sources]
    assert together == backwards
    assert together == alone


class Largest(TorchFunctionMode):
    """Notes the largest number of elements of a tensor that torch made."""

    elements = 0

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.elements = max(self.elements, result.numel())
        return result


def counted(product: Callable[..., Tensor], rows: dict[int, int]) -> Callable[..., Tensor]:
    """``product``, which counts its rows for each size of weights."""

    def counting(packed: PrepackedLinear, block: Tensor, *others: float) -> Tensor:
        rows[packed.size] += len(block)
        return product(packed, block, *others)

    return counting


def test_the_distribution_of_all_rows_never_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard on memory and on arithmetic, counted: blocks of logits, and rows in products."""
    shape = Shape(7, 2000, layers=2, hidden_size=8, embedding_size=8)
    network = Seq2Seq(shape).eval().requires_grad_(False)
    network.initialise(0.1, torch.Generator().manual_seed(8))
    scorer, steps, beam, sentences = ModelScorer(network), 5, 8, 128
    sources = [[1, 2, 3]] * sentences
    search(scorer, sources, BeamConfig(beam, max_length=1))  # sizes of blocks are tried, once
    rows: dict[int, int] = defaultdict(int)
    for name in ("__call__", "exponentials"):
        monkeypatch.setattr(PrepackedLinear, name, counted(getattr(PrepackedLinear, name), rows))
    with Largest() as seen:
        search(scorer, sources, BeamConfig(beam, nbest=8, max_length=steps))
    assert seen.elements <= BLOCK_SIZES[0] * 2016  # whole groups of words
    # A step from each sentence's start, then the beam's; the last one can only end.
    live = sentences * (1 + steps * beam)
    assert rows[2016] <= live
    # Two layers: the encoder's three words, and the same rows as above; no product of words anew.
    assert rows[32] <= 2 * (3 * sentences + live)
