"""The launcher knows nothing of the work: any work is done once in each process."""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from s2s_cli.distributed.config import DeviceSettings, Layout
from s2s_cli.distributed.launch import start
from s2s_cli.distributed.replica import Replica
from s2s_cli.distributed.signals import Stopped
from s2s_cli.errors import UserError


@dataclass(frozen=True)
class Notes:
    """Each replica leaves a note with the largest rank; the one of rank ``failing`` fails."""

    folder: Path
    failing: int | None = None

    @property
    def name(self) -> str:
        return "notes"

    def check(self) -> None:
        (self.folder / "checked").touch()

    def run(self, replica: Replica) -> Stopped:
        if replica.rank == self.failing:
            raise ValueError("not today")
        largest = replica.reduce_max(replica.rank)
        (self.folder / f"rank {replica.rank}").write_text(f"{replica.world_size} {largest}")
        return Stopped(finished=True)


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The launcher changes what belongs to the whole process."""
    monkeypatch.setenv("TORCH_DISABLE_SHARE_RDZV_TCP_STORE", "1")
    yield
    logging.disable(logging.NOTSET)


def notes(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def settings(layout: Layout, gpus: int) -> DeviceSettings:
    return DeviceSettings("cpu", gpus, layout, threads=1, rank_timeout=2.0)


@pytest.mark.parametrize(("layout", "gpus"), [("model", 3), ("data", 1)])
def test_one_process_needs_no_other(tmp_path: Path, layout: Layout, gpus: int) -> None:
    assert start(Notes(tmp_path), settings(layout, gpus)).finished
    assert notes(tmp_path) == {"rank 0": "1 0"}


def test_work_is_checked_once_and_done_by_each_process(tmp_path: Path) -> None:
    assert start(Notes(tmp_path), settings("data", 2)).finished
    assert notes(tmp_path) == {"checked": "", "rank 0": "2 1", "rank 1": "2 1"}


def test_the_first_failure_is_the_one_that_is_reported(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match=r"replica 1 of 2 \(process \d+\): not today; the others"):
        start(Notes(tmp_path, failing=1), settings("data", 2))
    assert re.search(r"raise ValueError\(\"not today\"\)", capfd.readouterr().err)
