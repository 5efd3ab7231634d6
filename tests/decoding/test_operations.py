"""How many operations a step of search asks a GPU for, each of which waits for the host; words."""

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from s2s_cli.decoding import beam as beam_module
from s2s_cli.decoding.beam import Beams, search
from s2s_cli.decoding.config import BeamConfig
from s2s_cli.inference import attention
from s2s_cli.inference.scorer import ModelScorer
from s2s_cli.model import products
from s2s_cli.model.config import Shape
from s2s_cli.model.seq2seq import Seq2Seq

SENTENCES, BEAM, VOCABULARY = 85, 12, 2000


class Operations(TorchDispatchMode):
    """Counts operations, views apart."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain products in blocks of the size that GPUs have."""
    monkeypatch.setattr(products, "block_sizes", lambda device_type: (products.GPU_ROWS,))
    for each in ("packs", "fuses_exp"):
        monkeypatch.setattr(products, each, lambda dtype, device_type: False)
    monkeypatch.setattr(attention, "in_source_blocks", lambda device_type: True)


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"attention": "general"},
        {"attention": "additive", "input_feeding": True, "peeky": True, "cell": "lstm-peephole"},
    ],
)
def test_a_step_of_a_beam_of_1020_rows_has_at_most_a_thousand_operations(
    options: dict[str, Any],
) -> None:
    """462, 554 and 871, counted here."""
    model = Seq2Seq(Shape(30, VOCABULARY, 4, 8, 8, **options))
    model.initialise(0.08, torch.Generator().manual_seed(1))
    scorer = ModelScorer(model)
    beams = Beams(scorer, [[3, 4, 5]] * SENTENCES, BeamConfig(beam=BEAM))
    with torch.inference_mode():
        for _ in range(3):
            beams.step()
        rows = len(beams.batch_index)
        with Operations() as operations:
            beams.step()
    assert rows == SENTENCES * BEAM
    assert operations.count <= 1000


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize("score", ["dot", "additive"])
def test_sources_in_blocks_give_what_single_sources_do(score: str) -> None:
    """Of many lengths, one without a word; in float64, against the sums written out."""
    generator = torch.Generator().manual_seed(2)
    model = Seq2Seq(Shape(30, 20, 1, 6, 6, attention=score)).double()  # type: ignore[arg-type]
    model.initialise(1.0, generator)
    assert model.attention is not None
    layer = attention.HypothesisAttention(model.attention, torch.float64)
    lengths = [3, 40, 0, 32, *[5] * 17, 70]
    outputs = [torch.randn(n, 6, generator=generator, dtype=torch.float64) for n in lengths]
    index = torch.randint(len(lengths), (150,), generator=generator)
    index[:40], index[40] = 1, 2
    hidden = torch.randn(150, 6, generator=generator, dtype=torch.float64)
    with torch.inference_mode():
        sources = [layer.source(each) for each in outputs]
        found, weights = layer.attend(hidden, index, sources)
        assert weights.shape == (150, 70)
        for row, source in enumerate(index.tolist()):
            words = outputs[source]
            keys = words if model.attention.key is None else model.attention.key(words)
            query = hidden[row : row + 1]
            if model.attention.query is not None:
                query = model.attention.query(query)
            expected = model.attention.scores(query[None], keys[None])[0].softmax(1)
            torch.testing.assert_close(weights[row, : len(words)], expected[0])
            assert not bool(weights[row, len(words) :].any())
            read = torch.cat([expected @ words, hidden[row : row + 1]], 1)
            torch.testing.assert_close(found[row], model.attention.combine(read).tanh()[0])


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize("attended", ["general", "additive"])
def test_in_blocks_a_sentence_is_translated_alone_as_in_company(attended: str) -> None:
    model = Seq2Seq(Shape(30, 20, 2, 8, 8, attention=attended, input_feeding=True))  # type: ignore[arg-type]
    model.initialise(1.0, torch.Generator().manual_seed(1))
    scorer, config = ModelScorer(model), BeamConfig(beam=4, nbest=4, max_length=12)
    sources = [[3, 5], [4] * 40, [7], [2, 2, 6], *[[9, 8, n] for n in range(2, 20)]]
    together = search(scorer, sources, config)
    assert together == [search(scorer, [source], config)[0] for source in sources]


@pytest.mark.skipif(not products.fuses_exp(torch.float32, "cpu"), reason="no such products here")
@pytest.mark.parametrize("beam", [2, 12])
def test_a_bound_skips_words_and_changes_nothing(
    beam: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of equal words, and of forbidden ones, too; a guard, counted, of how many are looked at."""
    model = Seq2Seq(Shape(30, VOCABULARY, 1, 8, 8))
    model.initialise(2.0, torch.Generator().manual_seed(1))
    with torch.no_grad():
        model.softmax.weight[1000:1100] = model.softmax.weight[:100]
        model.softmax.bias[1000:1100] = model.softmax.bias[:100]
        model.target_embedding.weight[1000:1100] = model.target_embedding.weight[:100]
    scorer = ModelScorer(model.requires_grad_(False))
    sources = [[3 + number % 25, 4, 5] for number in range(SENTENCES)]
    config = BeamConfig(beam=beam, nbest=beam, max_length=5, forbid_unk=True)
    beams = Beams(scorer, sources, config)
    with torch.inference_mode():
        beams.step()
        beams.step()
        beams.state = scorer.step(beams.state, beams.tokens[:, -1])
        rows, *_ = beams.extensions()
    # About as many as stay, not as many as there are rows times the beam.
    assert len(rows) < 2 * len(beams.batch_index)

    found = search(scorer, sources, config)
    monkeypatch.setattr(beam_module, "candidates", lambda *args: None)
    assert search(scorer, sources, config) == found
