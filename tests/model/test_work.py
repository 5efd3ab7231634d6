"""What is counted as a model's arithmetic, and the rate it is compared with."""

import pytest
import torch

from s2s_cli.model import work
from s2s_cli.model.config import Precision, Shape
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.model.work import fastest, gemm_peak, lstm_flops, share_of_peak, softmax_flops


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
        told = share_of_peak(5e6, 1.0, [device], precision)
        assert told.startswith("0 GFLOP/s, 0% of this machine's GEMM peak (")
        # Nothing is faster than the peak, which is at least what was reached.
        told = share_of_peak(5e15, 1.0, [device], precision)
        assert told.endswith("100% of this machine's GEMM peak (5,000,000 GFLOP/s)")


class Clock:
    """A GPU that works 2 ms a run, told by events; the time of the host is of no account."""

    def __init__(self) -> None:
        self.now = self.runs = self.waits = 0

    def product(self) -> torch.Tensor:
        self.now, self.runs = self.now + 2, self.runs + 1
        return torch.empty(0)

    def event(self, *, enable_timing: bool) -> "Event":
        assert enable_timing
        return Event(self)


class Event:
    def __init__(self, clock: Clock) -> None:
        self.clock, self.at = clock, -1

    def record(self, stream: str) -> None:
        assert stream == "stream of cuda:1"
        self.at = self.clock.now

    def synchronize(self) -> None:
        self.clock.waits += 1

    def elapsed_time(self, other: "Event") -> float:
        return float(other.at - self.at)


def test_a_gpu_is_timed_by_its_own_clock_over_runs_without_a_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr(work, "has_events", lambda device_type: device_type == "cuda")
    monkeypatch.setattr(work, "SECONDS_A_TRIAL", 0.0)
    monkeypatch.setattr(torch.cuda, "Event", clock.event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"stream of {device}")
    assert fastest(clock.product, torch.device("cuda:1"), 3) == pytest.approx(0.002)
    # One to be ready, one to know how many make 20 ms, and three rows of these.
    assert (clock.runs, clock.waits) == (1 + 1 + 3 * 10, 4)
