"""The launcher knows nothing of the work: any work is done once in each process."""

import re
from dataclasses import dataclass
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from types import SimpleNamespace

import pytest

from s2s_cli.distributed.config import DeviceSettings, Layout
from s2s_cli.distributed.launch import result, start
from s2s_cli.distributed.replica import Replica
from s2s_cli.distributed.signals import Stopped
from s2s_cli.errors import DamagedFileError, UsageError, UserError
from s2s_cli.processes import outcome


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


def fail(kind: type[Exception], message: str) -> None:
    raise kind(message)


@pytest.mark.parametrize(("kind", "code"), [(UserError, 1), (DamagedFileError, 1), (UsageError, 2)])
def test_an_error_of_the_user_stays_what_it_is(
    kind: type[UserError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = bytes(ForkingPickler.dumps((fail, (kind, "last.pt"))))
    returned, error = ForkingPickler.loads(outcome(asked))
    assert not returned
    replica = SimpleNamespace(number=0, answer=lambda: fail(type(error), *error.args))
    with pytest.raises(kind) as told:
        result(replica, 2)  # type: ignore[arg-type]
    assert (str(told.value), told.value.exit_code) == ("last.pt", code)
    assert capsys.readouterr().err == ""
