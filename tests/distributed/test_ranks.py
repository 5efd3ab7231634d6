"""Who is who among processes that others have started."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.distributed import FileStore  # type: ignore[attr-defined]

from s2s_cli.distributed.ranks import (
    Rank,
    claim_gpu,
    first_host,
    last_line,
    rank_from_environment,
)
from s2s_cli.errors import UsageError


def test_a_process_alone_has_no_rank() -> None:
    assert rank_from_environment({}) is None
    assert rank_from_environment({"RANK": "0", "WORLD_SIZE": "1"}) is None
    assert (
        rank_from_environment({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}) is None
    )  # not under srun


def test_torchruns_variables() -> None:
    environment = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}
    assert rank_from_environment(environment) == Rank(
        5, world_size=8, local_rank=1, local_world_size=4
    )


def test_slurms_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_ADDR", "")
    monkeypatch.delenv("MASTER_ADDR")
    monkeypatch.setenv("MASTER_PORT", "1")
    environment = {
        "SLURM_PROCID": "6",
        "SLURM_STEP_NUM_TASKS": "16",
        "SLURM_LOCALID": "2",
        "SLURM_STEP_TASKS_PER_NODE": "4(x4)",
        "SLURM_STEP_NODELIST": "gpu[03-06]",
        "SLURM_JOB_ID": "123456",
    }
    import os

    assert rank_from_environment(environment) == Rank(
        6, world_size=16, local_rank=2, local_world_size=4
    )
    assert os.environ["MASTER_ADDR"] == "gpu03"
    assert os.environ["MASTER_PORT"] == "1"  # what is set stays


@pytest.mark.parametrize(
    ("nodes", "host"),
    [
        ("login1", "login1"),
        ("a1,a2", "a1"),
        ("gpu[03-05,09],x[1-2]", "gpu03"),
        ("r[1,4]-ib", "r1-ib"),
    ],
)
def test_first_host(nodes: str, host: str) -> None:
    assert first_host(nodes) == host


def test_two_processes_with_one_gpu_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uuids = {0: "GPU-a", 1: "GPU-b"}
    monkeypatch.setattr(
        "torch.cuda.get_device_properties", lambda device: SimpleNamespace(uuid=uuids[device.index])
    )
    store = FileStore(str(tmp_path / "meeting"), 3)
    first, second = torch.device("cuda:0"), torch.device("cuda:1")
    claim_gpu(store, Rank(0, 3, 0, 3), first)
    claim_gpu(store, Rank(0, 3, 0, 3), first)
    claim_gpu(store, Rank(1, 3, 1, 3), second)
    with pytest.raises(UsageError, match=r"^replicas 0 and 2 have the same GPU, cuda:0; start "):
        claim_gpu(store, Rank(2, 3, 2, 3), first)


def test_last_line() -> None:
    assert last_line(ValueError("one\n  two\n\n")) == "two"
    assert last_line(ValueError()) == "ValueError"
