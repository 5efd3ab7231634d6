"""Search with variants of the model, against the model that was trained."""

import pytest
import torch
from variants import OPTIONS, loss, shape

from s2s_cli.decoding.beam import search
from s2s_cli.decoding.config import BeamConfig
from s2s_cli.inference.ensemble import Ensemble
from s2s_cli.inference.scorer import ModelScorer
from s2s_cli.model.products import PrepackedLinear
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.rescoring.prefix_tree import score_group

SOURCES = [[3, 5], [4, 4, 10, 2], [3, 3, 9], [7], [2, 2, 2, 6, 5, 5]]
HYPOTHESES = [[2, 8, 1, 7], [6], [], [2, 8, 5]]


def model(name: str, seed: int = 1, dtype: torch.dtype = torch.float64) -> Seq2Seq:
    network = Seq2Seq(shape(name)).to(dtype).eval().requires_grad_(False)
    network.initialise(1.0, torch.Generator().manual_seed(seed))
    return network


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", OPTIONS)
def test_scores_are_those_of_the_trained_model(name: str, reverse: bool) -> None:
    network = model(name)
    scorer = ModelScorer(network, reverse_source=reverse)
    found = list(score_group(scorer, [(source, HYPOTHESES) for source in SOURCES]))
    for source, scores in zip(SOURCES, found, strict=True):
        read = source[::-1] if reverse else source
        expected = [-float(loss(network, [read], [each])) for each in HYPOTHESES]
        assert scores == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", OPTIONS)
def test_a_sentence_is_translated_alone_as_in_company(name: str) -> None:
    scorer = ModelScorer(model(name, dtype=torch.float32), reverse_source=True)
    config = BeamConfig(beam=4, nbest=4)
    together = search(scorer, SOURCES, config)
    alone = [search(scorer, [source], config)[0] for source in SOURCES]
    assert together == alone
    assert any(each.tokens for found in together for each in found)


@pytest.mark.parametrize("name", OPTIONS)
def test_int8_is_near_and_has_the_same_bits_in_any_company(name: str) -> None:
    network = model(name, dtype=torch.float32)
    network.initialise(0.5, torch.Generator().manual_seed(2))
    scorer, config = ModelScorer(network, precision="int8"), BeamConfig(beam=4, nbest=4)
    lists = [(source, HYPOTHESES) for source in SOURCES]
    found, exact = (list(score_group(each, lists)) for each in (scorer, ModelScorer(network)))
    assert found != exact
    for one, other in zip(found, exact, strict=True):
        assert one == pytest.approx(other, abs=0.05)
    together = search(scorer, SOURCES, config)
    assert together == [search(scorer, [source], config)[0] for source in SOURCES]


@pytest.mark.parametrize("name", OPTIONS)
def test_int8_multiplies_integers_in_every_layer(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guard, counted: fp32 products are those of words, a row each."""
    scorer = ModelScorer(model(name, dtype=torch.float32), precision="int8")
    rows: list[int] = []
    product = PrepackedLinear.__call__

    def counting(packed: PrepackedLinear, block: torch.Tensor) -> torch.Tensor:
        rows.append(len(block))
        return product(packed, block)

    monkeypatch.setattr(PrepackedLinear, "__call__", counting)
    config = BeamConfig(beam=4, max_length=6)
    search(scorer, SOURCES, config)
    rows.clear()
    assert search(scorer, SOURCES, config)
    assert not rows  # the words are known by now


@pytest.mark.parametrize("name", ["gru", "feeding-all", "dot"])
def test_a_search_s_log_probability_is_that_of_its_hypothesis(name: str) -> None:
    network = model(name)
    config = BeamConfig(beam=3, nbest=3)
    for source, found in zip(SOURCES, search(ModelScorer(network), SOURCES, config), strict=True):
        for each in found:
            log_prob = -float(loss(network, [source], [each.tokens]))
            assert each.log_prob == pytest.approx(log_prob, rel=1e-9)


def test_members_of_an_ensemble_may_be_of_any_kind() -> None:
    names = ["gru", "feeding", "peeky", "additive"]
    scorers = [ModelScorer(model(name, seed)) for seed, name in enumerate(names)]
    scorers.append(ModelScorer(model("gru", 9), precision="int8"))
    lists = [(source, HYPOTHESES) for source in SOURCES]
    alone = [list(score_group(each, [(SOURCES[0], [[]])])) for each in scorers]
    mean = torch.tensor([each[0][0] for each in alone]).exp().mean()
    together = list(score_group(Ensemble(scorers), lists))
    assert together[0][HYPOTHESES.index([])] == pytest.approx(float(mean.log()), rel=1e-6)


@pytest.mark.parametrize("name", ["dot", "feeding-all"])
def test_weights_of_attention_follow_their_hypotheses(name: str) -> None:
    scorer = ModelScorer(model(name))
    assert isinstance(scorer, ModelScorer)
    state = scorer.select(scorer.start(SOURCES), torch.tensor([4, 0, 1, 0]))
    state = scorer.step(state, torch.tensor([2, 2, 2, 3]))
    for row, source in enumerate([SOURCES[4], SOURCES[0], SOURCES[1], SOURCES[0]]):
        weights = state.attention_weights[row]
        assert float(weights[: len(source)].sum()) == pytest.approx(1)
        assert not bool(weights[len(source) :].any())
    turned = scorer.select(state, torch.tensor([2, 0]))
    assert torch.equal(turned.attention_weights, state.attention_weights[[2, 0]])
