"""One update means the same in every layout, and a training goes on in another one."""

import dataclasses
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Popen
from copies import CPU, UPDATES, trained, trainer_of
from torch import Tensor

from s2s_cli.distributed.replica import Replica
from s2s_cli.distributed.signals import StopSignals
from s2s_cli.distributed.state_dicts import model_state_dict
from s2s_cli.training.config import TrainingConfig
from s2s_cli.training.loop import Run
from s2s_cli.training.trainer import Trainer

# 200 pairs: the last batch of an epoch has 11, fewer than others; 4 replicas share 27 unevenly.
CONFIG = TrainingConfig(batch_size=27, learning_rate=0.5, clip_norm=0.4, epochs=9, device="cpu")


@pytest.fixture(autouse=True)
def float64() -> Any:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


RANK = """
import pickle, sys
sys.path[:] = {path!r}
from copies import one_of_several
one_of_several(int(sys.argv[1]), *pickle.loads({arguments!r}))
"""


def in_processes(
    popen: Popen, count: int, places: int, data: Path, folder: Path, config: TrainingConfig
) -> Any:
    arguments = pickle.dumps((count, places, data, folder, config))
    script = RANK.format(path=sys.path, arguments=arguments)
    processes = [popen(["-c", script, str(rank)], stderr=subprocess.PIPE) for rank in range(count)]
    for each in processes:
        _, told = each.communicate()
        assert each.returncode == 0, told.decode()
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(count)]


def assert_close(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert list(found) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-8, atol=1e-11, msg=name)


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
@pytest.mark.parametrize("places", [2, 4, 8])
def test_the_model_spread_over_devices(
    tiny_experiment: Path, tmp_path: Path, places: int, optimiser: Any
) -> None:
    config = dataclasses.replace(CONFIG, optimiser=optimiser)
    data = tiny_experiment / "data"
    one, expected = trained(data, tmp_path, config, Replica((CPU,)), UPDATES)
    several, trace = trained(data, tmp_path, config, Replica((CPU,) * places), UPDATES)
    assert trace == pytest.approx(expected, rel=1e-9)
    assert_close(model_state_dict(several.model), model_state_dict(one.model))
    assert several.validation_perplexity() == pytest.approx(one.validation_perplexity(), rel=1e-9)


@pytest.mark.parametrize(
    ("count", "places", "optimiser"), [(2, 1, "sgd"), (4, 1, "adam"), (2, 4, "sgd"), (3, 2, "adam")]
)
def test_copies_in_several_processes(
    tiny_experiment: Path, tmp_path: Path, popen: Popen, count: int, places: int, optimiser: Any
) -> None:
    """Data parallel, also with each copy spread over devices; every process has the same bits."""
    config = dataclasses.replace(CONFIG, optimiser=optimiser)
    data = tiny_experiment / "data"
    one, expected = trained(data, tmp_path, config, Replica((CPU,)), UPDATES)
    found = in_processes(popen, count, places, data, tmp_path, config)
    for each in found:
        assert each["trace"] == pytest.approx(expected, rel=1e-9)
        assert_close(each["weights"], model_state_dict(one.model))
        assert each["perplexity"] == pytest.approx(one.validation_perplexity(), rel=1e-9)
        for name, value in found[0]["weights"].items():
            assert torch.equal(each["weights"][name], value)


def test_more_processes_than_sentences(tiny_experiment: Path, tmp_path: Path, popen: Popen) -> None:
    """Batches of 3 for 4 replicas: one of them always computes what does not count."""
    config = dataclasses.replace(CONFIG, batch_size=3)
    data = tiny_experiment / "data"
    one, expected = trained(data, tmp_path, config, Replica((CPU,)), UPDATES)
    found = in_processes(popen, 4, 1, data, tmp_path, config)
    assert found[3]["trace"] == pytest.approx(expected, rel=1e-9)
    assert_close(found[3]["weights"], model_state_dict(one.model))


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_a_training_goes_on_in_another_layout(
    tiny_experiment: Path, tmp_path: Path, optimiser: Any
) -> None:
    """On 1 device, then 4, then 1, then 6: as if nothing had changed."""

    def run(directory: Path, places: int, updates: int) -> Trainer:
        config = dataclasses.replace(CONFIG, optimiser=optimiser, max_updates=updates)
        replica = Replica((CPU,) * places)
        trainer = trainer_of(tiny_experiment / "data", directory, config, replica)
        resumed = trainer.restored is not None
        assert resumed == (directory / "last.pt").is_file()
        Run(trainer, StopSignals()).run()
        return trainer

    straight = run(tmp_path / "straight", 1, UPDATES)
    for places, updates in ((1, 5), (4, 10), (1, 15), (6, UPDATES)):
        changing = run(tmp_path / "changing", places, updates)
    assert_close(model_state_dict(changing.model), model_state_dict(straight.model))
    assert changing.progress.best_perplexity == pytest.approx(
        straight.progress.best_perplexity, rel=1e-9
    )
    saved = [torch.load(tmp_path / name / "last.pt") for name in ("straight", "changing")]
    for one, other in zip(*(each["optimisers"] for each in saved), strict=True):
        assert one["state"].keys() == other["state"].keys()
        for number, state in one["state"].items():
            assert_close(
                {key: torch.as_tensor(value) for key, value in other["state"][number].items()},
                {key: torch.as_tensor(value) for key, value in state.items()},
            )
