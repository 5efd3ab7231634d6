"""The recorded course of a search, against a naive search and against what the search returns."""

import itertools

import pytest
import torch
from variants import log_probs

from s2s_cli.decoding.beam import search
from s2s_cli.decoding.config import BeamConfig
from s2s_cli.decoding.trace import SearchTrace
from s2s_cli.inference.ensemble import Ensemble
from s2s_cli.inference.scorer import ModelScorer, Scorer
from s2s_cli.model.config import Shape
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.text.vocabulary import EOS

WORDS = 6
SOURCE = [2, 5, 3]


def model(seed: int) -> Seq2Seq:
    network = Seq2Seq(Shape(7, WORDS, layers=1, hidden_size=6, embedding_size=5)).double().eval()
    network.initialise(1.5, torch.Generator().manual_seed(seed))
    return network.requires_grad_(False)


@pytest.mark.parametrize("seed", range(4))
def test_each_step_keeps_the_best_extensions_of_those_that_were_searched(seed: int) -> None:
    network, trace = model(seed), SearchTrace()
    search(ModelScorer(network), [SOURCE], BeamConfig(beam=3, nbest=3, max_length=6), trace)
    beam: list[tuple[list[int], float]] = [([], 0.0)]
    for step in range(1, trace.steps + 1):
        following = [
            ([*tokens, token], before + float(log_probs(network, SOURCE, tokens)[-1, token]))
            for tokens, before in beam
            for token in range(WORDS)
            if token == EOS or step <= 6
        ]
        best = sorted(following, key=lambda each: -each[1])[:3]
        places = [at for at, each in enumerate(trace.hypotheses) if each.step == step]
        kept = [trace.hypotheses[place] for place in places]
        ids = [[trace.hypotheses[each].token for each in trace.path(place)] for place in places]
        assert ids == [tokens for tokens, _ in best]
        assert [each.log_probs[0] for each in kept] == pytest.approx([score for _, score in best])
        assert [each.rank for each in kept] == list(range(1, len(kept) + 1))
        assert not any(each.ended and each.searched for each in kept)
        beam = [each for each, node in zip(best, kept, strict=True) if each[0][-1] != EOS]
        assert all(node.searched for node in kept if not node.ended) or step == trace.steps
    assert not any(each.searched for each in trace.hypotheses if each.step == trace.steps)


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("config", [BeamConfig(beam=4), BeamConfig(5, 5, normalise=1.0)])
def test_every_result_is_a_path_whose_scores_add_up(members: int, config: BeamConfig) -> None:
    scorers = [ModelScorer(model(seed)) for seed in range(members)]
    scorer: Scorer = scorers[0] if members == 1 else Ensemble(scorers)
    trace = SearchTrace()
    [found] = search(scorer, [SOURCE], config, trace)
    assert [found] == search(scorer, [SOURCE], config), "recording changes nothing"
    ranks = trace.ranks([each.tokens for each in found])
    assert sorted(ranks.values()) == list(range(1, len(found) + 1))
    for place, rank in ranks.items():
        node, hypothesis = trace.hypotheses[place], found[rank - 1]
        assert node.ended and trace.tokens(place) == hypothesis.tokens
        assert node.log_probs == [hypothesis.log_prob, *hypothesis.member_log_probs]
        path = [trace.hypotheses[each] for each in trace.path(place)]
        assert [each.step for each in path] == list(range(1, len(hypothesis.tokens) + 2))
        falls = [two.log_probs[0] < one.log_probs[0] for one, two in itertools.pairwise(path)]
        assert all(falls) and all(each.searched for each in path[:-1])
