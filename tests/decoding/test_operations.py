"""How many operations a step of search asks a GPU for; each keeps it waiting for the host."""

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from s2s_cli.decoding.beam import Beams
from s2s_cli.decoding.config import BeamConfig
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


@pytest.mark.usefixtures("as_on_a_gpu")
def test_a_step_of_the_paper_s_beam_has_at_most_a_thousand_operations() -> None:
    model = Seq2Seq(Shape(30, VOCABULARY, 4, 8, 8))
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
