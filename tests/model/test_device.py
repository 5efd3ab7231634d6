"""One device for each process; where there are too few, what to type instead."""

import pytest
import torch

from s2s_cli.errors import UserError
from s2s_cli.model import device
from s2s_cli.model.device import choose_devices, set_threads


@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_several_are_the_first_gpus(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert choose_devices(name, 3) == tuple(map(torch.device, ("cuda:0", "cuda:1", "cuda:2")))


def test_one_name_for_several_is_shared() -> None:
    cpu = torch.device("cpu")
    assert choose_devices("cpu", 1) == (cpu,)
    assert choose_devices("cpu", 3) == (cpu,) * 3
    with pytest.raises(UserError, match="--device abacus"):
        choose_devices("abacus", 2)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (0, "this machine has no GPU; leave --gpus out, "),
        (1, "this machine has one GPU; leave --gpus out, "),
        (3, "this machine has 3 GPUs; type --gpus 3, "),
    ],
)
@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_too_few_are_told_with_what_to_type(
    found: int, told: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: found)
    with pytest.raises(UserError) as caught:
        choose_devices(name, 4)
    assert caught.value.exit_code == 2
    assert str(caught.value).startswith(f"--gpus 4: {told}")
    assert "--device cpu" in str(caught.value)


@pytest.mark.parametrize("threads", [-1, 40_000, 2**31])
def test_threads_that_no_machine_has_are_refused(threads: int) -> None:
    with pytest.raises(UserError, match=f"--threads {threads}: must be at least 0 and at most"):
        set_threads(threads)


def test_more_memory_than_there_is_is_refused_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr(device, "physical_memory", lambda: 3 << 30)
    device.require_memory(3 << 30, "weights take", cpu)
    device.require_memory(4 << 30, "weights take", torch.device("cuda"))
    told = r"out of memory: weights take 4\.0 GiB, and this machine has 3\.0 GiB; a smaller model"
    with pytest.raises(UserError, match=told):
        device.require_memory(4 << 30, "weights take", cpu)
    monkeypatch.setattr(device, "physical_memory", lambda: None)
    device.require_memory(4 << 30, "weights take", cpu)
