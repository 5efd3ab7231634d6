"""What is counted as a model's arithmetic, and the rate it is compared with."""

import pytest
import torch

from s2s_cli.model import work
from s2s_cli.model.config import Precision, Shape
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.model.work import gemm_peak, lstm_flops, share_of_peak, softmax_flops


def test_two_operations_a_weight_and_word() -> None:
    shape = Shape(11, 13, layers=3, hidden_size=7, embedding_size=5)
    model = Seq2Seq(shape)
    weights = sum(each.numel() for each in model.encoder.parameters() if each.dim() == 2)
    assert lstm_flops(shape, 10) == 2 * 10 * weights
    assert softmax_flops(shape, 10) == 2 * 10 * model.softmax.weight.numel()


def test_the_peak_is_a_rate_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "TRIED", ((64, 256, 128),))  # those of paper size take seconds
    device = torch.device("cpu")
    precisions: tuple[Precision, ...] = "bf16", "int8"
    assert 1e8 < gemm_peak(device, torch.float32) < 1e15
    for precision in precisions:
        told = share_of_peak(5e12, 1.0, [device], precision)
        assert told.startswith("5,000 GFLOP/s, ")
        assert "% of this machine's GEMM peak (" in told
