"""Forced decoding of lists: each hypothesis as if alone, each prefix computed once."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from variants import log_prob

from s2s_cli.decoding.beam import search
from s2s_cli.decoding.config import BeamConfig
from s2s_cli.inference.distribution import Softmax
from s2s_cli.inference.ensemble import Ensemble
from s2s_cli.inference.scorer import ModelScorer, Scorer
from s2s_cli.model.config import Precision, Shape
from s2s_cli.model.parts import BatchParts
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.rescoring import prefix_tree as rescoring
from s2s_cli.rescoring.prefix_tree import build_levels, log_probabilities, score_lists

VOCABULARY = 9


def network(seed: int, dtype: torch.dtype = torch.float64) -> Seq2Seq:
    model = Seq2Seq(Shape(7, VOCABULARY, 2, 6, 5)).to(dtype).eval().requires_grad_(False)
    model.initialise(0.9, torch.Generator().manual_seed(seed))
    return model


LISTS = [
    ([2, 3], [[2, 3, 4], [2, 3], [2, 3, 4, 5], [7], [], [2, 3, 4]]),
    ([5], [[2, 3, 4], [8, 8, 8, 8, 8, 8]]),
    ([6, 6, 6, 1], []),
    ([1, 2, 3], [[], [4]]),
    ([], [[2], []]),
]


class Counting(ModelScorer):
    """Counts the steps of the decoder, and the rows of it and of the output layer."""

    steps = rows = output_rows = 0

    def step(self, state: Any, tokens: Tensor) -> Any:
        self.steps += 1
        self.rows += len(tokens)
        return super().step(state, tokens)

    def softmaxes(self, state: Any, block: slice) -> Iterator[Softmax]:
        self.output_rows += block.stop - block.start
        return super().softmaxes(state, block)


def test_every_hypothesis_gets_the_score_it_has_alone() -> None:
    model = network(1)
    scores = list(score_lists(ModelScorer(model), LISTS))
    assert [len(each) for each in scores] == [6, 2, 0, 2, 2]
    for (source, hypotheses), got in zip(LISTS, scores, strict=True):
        expected = [log_prob(model, source, hypothesis) for hypothesis in hypotheses]
        assert got == pytest.approx(expected, rel=1e-12)


def test_prefixes_that_take_several_blocks_get_the_scores_they_have_alone() -> None:
    """40 distinct prefixes of one length: blocks of 16, 16 and 8 rows, the first alone at 0."""
    model = network(1)
    scorer = ModelScorer(model)
    pairs = list(product(range(1, VOCABULARY), range(1, 6)))
    hypotheses = [[first, second, 1 + first * second % 8] for first, second in pairs]
    state = scorer.select(scorer.start([[2, 3]]), torch.zeros(len(hypotheses), dtype=torch.long))
    assert [block.start for block in scorer.blocks(state)] == [0, 16, 32]
    together = next(score_lists(scorer, [([2, 3], hypotheses)]))
    alone = [next(score_lists(scorer, [([2, 3], [each])])) for each in hypotheses]
    assert together == [score for scores in alone for score in scores]
    expected = [log_prob(model, [2, 3], hypothesis) for hypothesis in hypotheses]
    assert together == pytest.approx(expected, rel=1e-12)


def test_each_distinct_prefix_is_computed_once() -> None:
    scorer = Counting(network(1))
    list(score_lists(scorer, LISTS))
    prefixes = {
        (index, tuple(hypothesis[:length]))
        for index, (_, hypotheses) in enumerate(LISTS)
        for hypothesis in [*hypotheses, []]
        for length in range(len(hypothesis) + 1)
    }
    # The empty list has no hypothesis and is not looked at.
    assert scorer.rows == scorer.output_rows == len(prefixes) - 1
    assert scorer.steps == 1 + 6, "all lists together, up to the longest hypothesis"


@given(lists=st.lists(st.lists(st.lists(st.integers(0, 2), max_size=4), max_size=6), max_size=4))
def test_the_levels_hold_each_prefix_once_and_each_hypothesis(
    lists: list[list[list[int]]],
) -> None:
    """Of hypotheses in any order, doubled and empty ones, and of lists without any."""
    above: list[tuple[int, ...]] = [(index,) for index in range(len(lists))]
    found, complete = list[tuple[int, ...]](), dict[int, tuple[int, ...]]()
    for depth, level in enumerate(build_levels(lists)):
        pairs = zip(level.parents.tolist(), level.tokens.tolist(), strict=True)
        above = [above[parent] + (token,) * (depth > 0) for parent, token in pairs]
        ends = zip(level.complete.tolist(), level.ends.tolist(), strict=True)
        complete |= {hypothesis: above[end] for hypothesis, end in ends}
        found += above
    every = [(index, *each) for index, hypotheses in enumerate(lists) for each in hypotheses]
    assert [complete[number] for number in range(len(every))] == every
    assert sorted(found) == sorted(
        {each[:end] for each in every for end in range(1, 6) if each[:end]}
    )


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_cutting_into_pieces_changes_no_score(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = ModelScorer(network(2))
    whole = list(score_lists(scorer, LISTS))
    monkeypatch.setattr(rescoring, "MOST_HYPOTHESES", limit)
    assert list(score_lists(scorer, iter(LISTS))) == whole


def test_where_memory_runs_out_hypotheses_are_scored_in_parts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scorer = ModelScorer(network(2))
    whole = list(score_lists(scorer, LISTS))
    real, sizes = rescoring.log_probabilities, list[int]()

    def limited(scorer: Scorer, lists: Any) -> torch.Tensor:
        sizes.append(sum(len(hypotheses) for _, hypotheses in lists))
        if sizes[-1] > 5:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return real(scorer, lists)

    monkeypatch.setattr(rescoring, "log_probabilities", limited)
    parts = BatchParts()
    assert list(score_lists(scorer, LISTS, parts)) == whole
    assert max(sizes) == sum(len(hypotheses) for _, hypotheses in LISTS) > 5
    sizes.clear()
    assert list(score_lists(scorer, LISTS, parts)) == whole
    assert max(sizes) <= 5, "what fits is remembered"
    assert capsys.readouterr().err.count("in parts") == 1


def test_lists_are_not_read_far_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescoring, "MOST_HYPOTHESES", 4)
    taken = 0

    def endless() -> Any:
        nonlocal taken
        while True:
            taken += 1
            yield [2, 3], [[4, 5], [4]]

    scores = score_lists(ModelScorer(network(3)), endless())
    for _ in range(6):
        next(scores)
    assert taken <= 8


def test_an_ensemble_reports_the_mean_and_its_members() -> None:
    models = [network(4), network(5)]
    ensemble = Ensemble([ModelScorer(each) for each in models])
    both = log_probabilities(ensemble, LISTS[:1])
    for column, model in enumerate(models, 1):
        alone = log_probabilities(ModelScorer(model), LISTS[:1])[:, 0]
        torch.testing.assert_close(both[:, column], alone)
    # The mean of probabilities at each step lies between the members' own, for one step exactly.
    empty = LISTS[0][1].index([])
    mean = both[empty, 1:].exp().mean()
    assert float(both[empty, 0].exp()) == pytest.approx(float(mean), rel=1e-12)
    assert list(score_lists(ensemble, LISTS[:1])) == [both[:, 0].tolist()], "the mean is the score"


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_decode_and_rescore_agree_to_the_bit(precision: Precision) -> None:
    """Where the order of a sum could show."""
    models = [network(seed, torch.float32) for seed in (6, 7)]
    scorers = [ModelScorer(each, precision=precision) for each in models]
    scorer = Ensemble(scorers)
    sources = [[2, 5, 1], [3], [6, 6, 2, 4, 4]]
    found = search(scorer, sources, BeamConfig(beam=6, nbest=6, max_length=8))
    for source, hypotheses in zip(sources, found, strict=True):
        forced = log_probabilities(scorer, [(source, [each.tokens for each in hypotheses])])
        assert forced[:, 0].tolist() == [each.log_prob for each in hypotheses]
        assert forced[:, 1:].tolist() == [each.member_log_probs for each in hypotheses]


def test_a_small_vocabulary_does_not_unbound_what_is_scored_together() -> None:
    """States and trees take memory too: a list of millions must not be taken as one."""
    taken = 0

    def endless() -> Any:
        nonlocal taken
        while True:
            taken += 1
            yield [2, 3], [[4]] * 500

    next(score_lists(ModelScorer(network(3)), endless()))
    assert taken <= 20


def test_a_reversed_model_reads_the_source_backwards() -> None:
    model = network(8)
    backwards = [(source[::-1], hypotheses) for source, hypotheses in LISTS]
    reversing = log_probabilities(ModelScorer(model, reverse_source=True), LISTS)
    assert torch.equal(reversing, log_probabilities(ModelScorer(model), backwards))
    assert not torch.equal(reversing, log_probabilities(ModelScorer(model), LISTS))


def test_a_few_above_the_limit_are_no_piece_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescoring, "MOST_HYPOTHESES", 16)
    sizes: list[int] = []
    whole = rescoring.log_probabilities

    def noted(scorer: ModelScorer, lists: Sequence[rescoring.HypothesisList]) -> Tensor:
        sizes.append(sum(len(hypotheses) for _, hypotheses in lists))
        return whole(scorer, lists)

    monkeypatch.setattr(rescoring, "log_probabilities", noted)
    scorer = ModelScorer(network(3))
    for count, expected in ((0, []), (17, [17]), (19, [10, 9]), (50, [17, 17, 16])):
        sizes.clear()
        list(rescoring.score_group(scorer, [([2], [[3, 4]] * count)]))
        assert sizes == expected
