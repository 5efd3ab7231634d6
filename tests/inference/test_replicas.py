"""The CPU threads that each worker takes."""

import pytest
import torch

from s2s_cli.inference import replicas as module
from s2s_cli.inference.replicas import Replicas

CPU = torch.device("cpu")


def test_cores_are_shared_unless_threads_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "available_cores", lambda: 8)

    def threads(given: int, workers: int) -> int:
        return Replicas((), (CPU,) * workers, "fp32", False, given).threads_each

    assert [threads(0, workers) for workers in (1, 2, 3, 8, 9)] == [0, 4, 2, 1, 1]
    assert [threads(5, workers) for workers in (1, 2)] == [5, 5]
