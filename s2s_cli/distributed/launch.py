"""Replicas as processes: started here, or from outside by torchrun or SLURM."""

import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing import connection
from threading import Thread
from typing import Protocol, assert_never

import torch
from torch.distributed import FileStore  # type: ignore[attr-defined]

from s2s_cli.console import say
from s2s_cli.distributed.config import DeviceSettings, Layout
from s2s_cli.distributed.ranks import (
    Disconnected,
    Rank,
    cores_per_process,
    last_line,
    process_group,
    rank_devices,
    rank_from_environment,
)
from s2s_cli.distributed.replica import Replica
from s2s_cli.distributed.signals import FROM_PARENT, Stopped, StopSignals
from s2s_cli.errors import UsageError, UserError, as_user_error
from s2s_cli.model.device import choose_devices, set_threads
from s2s_cli.processes import (
    Child,
    Died,
    child_processes,
    end_with_launcher,
    refuse_too_many,
)

# A replica that lost another one waits so long, for the launcher to see which one failed first.
ROOT_CAUSE_GRACE_SECONDS = 3.0


class Failed(UserError):
    """A failure of one replica that need not be one of the others."""


class ReplicaFailed(UserError):
    """A failure of one replica, named.

    Attributes:
        code: exit code of the process, where it died.
    """

    def __init__(self, message: str, code: int | None) -> None:
        super().__init__(message)
        self.code = code


class Work(Protocol):
    """The work of each replica; it is sent to the processes that are started."""

    @property
    def name(self) -> str:
        """The beginning of messages."""

    def check(self) -> object:
        """Raise here, and once, what every replica would raise."""

    def run(self, replica: Replica) -> Stopped:
        """Do the work of one replica."""


def start(work: Work, settings: DeviceSettings) -> Stopped:
    """Do ``work`` in this process, in several that are started here, or as one from outside.

    Raises:
        UserError: devices that are not there (exit code 2); all that the work raises.
    """
    rank = rank_from_environment(os.environ)
    if rank is not None:
        return run_rank(work, settings, rank)
    devices = choose_devices(settings.device, settings.gpus)
    layout: Layout = settings.layout if len(devices) > 1 else "model"
    match layout:
        case "model":
            set_threads(settings.threads)
            return work.run(Replica(devices))
        case "data":
            refuse_shared_gpu(settings.device, devices)
            refuse_too_many(settings.gpus, "--gpus")
            work.check()
            return launch(work, settings)
        case _:
            assert_never(layout)


def refuse_shared_gpu(name: str, devices: tuple[torch.device, ...]) -> None:
    """Raise a `UserError` (exit code 2) where several processes would compute on one GPU."""
    if devices[0].type == "cuda" and len(set(devices)) == 1:
        raise UsageError(
            f"--device {name} --layout data: each process needs a GPU of its own; "
            "leave --device out, or take --layout model"
        )


def run_rank(work: Work, settings: DeviceSettings, rank: Rank) -> Stopped:
    """Do ``work`` as one of several processes that others have started."""
    if settings.layout == "data" and settings.gpus > 1:
        raise UsageError(
            f"--gpus {settings.gpus}: there are {rank.world_size} processes already, one for a GPU "
            "each; leave --gpus out, or have each span several with --layout model"
        )
    if "TORCHELASTIC_RUN_ID" in os.environ:  # torchrun does not end them when it is killed
        Thread(target=end_with_launcher, args=[os.getppid()], daemon=True).start()
    devices = rank_devices(settings.device, settings.gpus, rank)
    set_threads(settings.threads or cores_per_process(rank))
    with process_group(rank, devices[0], settings.rank_timeout):
        return work.run(Replica(devices, rank.rank, rank.world_size))


def launch(work: Work, settings: DeviceSettings) -> Stopped:
    """Start ``settings.gpus`` replicas on this machine; return how they ended.

    They meet through a file that nobody else can open, and talk over the loopback.

    Raises:
        UserError: one of them failed; all are gone.
    """
    with ExitStack() as resources:
        meeting = resources.enter_context(meeting_file())
        replicas = resources.enter_context(child_processes(settings.gpus, "--gpus"))
        with StopSignals(first=partial(stop_replicas, replicas), second=resources.close) as signals:
            for each in replicas:
                each.ask(run_launched, work, settings, meeting, each.number)
            try:
                stopped = results(replicas)[0]
            except ReplicaFailed as failure:
                # Until it trains, what asks it to stop ends it.
                if signals.received is not None and failure.code == -getattr(signal, FROM_PARENT):
                    say(f"{work.name}: stopped; the same command goes on from here")
                    return Stopped(finished=False, signal=signals.received)
                raise
        return stopped if stopped.finished else Stopped(False, signals.received or stopped.signal)


@contextmanager
def meeting_file() -> Iterator[str]:
    """Make the file through which replicas meet; it goes with this process, however that ends."""
    if hasattr(os, "memfd_create"):  # Linux, where a file without a name can be opened again
        with open(os.memfd_create("s2s-train"), "wb") as file:  # noqa: PTH123
            yield f"/proc/{os.getpid()}/fd/{file.fileno()}"
        return
    with tempfile.TemporaryDirectory(prefix="s2s-train-") as folder:
        yield f"{folder}/meeting"


def stop_replicas(replicas: list[Child]) -> None:
    """Ask every process to stop after its update."""
    for each in replicas:
        if each.process.exitcode is None:
            os.kill(each.process.pid or 0, getattr(signal, FROM_PARENT))


def results(replicas: list[Child]) -> list[Stopped]:
    """Wait until all replicas have ended, or one has failed.

    Raises:
        ReplicaFailed: one that failed by itself, or died; UserError: all failed alike.
    """
    found: dict[int, Stopped] = {}
    while waiting := [each for each in replicas if each.number not in found]:
        ready = connection.wait([each.pipe for each in waiting])
        for each in waiting:
            if each.pipe in ready:
                found[each.number] = result(each, len(replicas))
    return [found[each.number] for each in replicas]


def result(replica: Child, count: int) -> Stopped:
    """Wait for the result of one replica; make one sentence of its failure."""
    code = None
    try:
        stopped: Stopped = replica.answer()
        return stopped
    except Died as error:
        code, reason = error.code, f"died ({error})"
    except Failed as error:
        reason = str(error)
    except UserError:
        raise
    except Exception as error:  # a mistake of ours
        print(*error.__notes__, sep="\n", file=sys.stderr)
        reason = last_line(error)
    raise ReplicaFailed(
        f"replica {replica.number} of {count} (process {replica.process.pid}): {reason}; the "
        "others were ended too; the same command goes on from the last checkpoint",
        code,
    )


def run_launched(work: Work, settings: DeviceSettings, meeting: str, number: int) -> Stopped:
    """Do ``work`` as one of the processes of `launch`."""
    loopback = "lo0" if sys.platform == "darwin" else "lo"
    os.environ |= {"GLOO_SOCKET_IFNAME": loopback, "NCCL_SOCKET_IFNAME": f"={loopback}"}
    os.environ.setdefault("TORCH_NCCL_ASYNC_ERROR_HANDLING", "1")  # as under torchrun
    count = settings.gpus
    rank = Rank(number, count, number, count)
    device = choose_devices(settings.device, count)[number]
    set_threads(settings.threads or cores_per_process(rank))
    try:
        with process_group(rank, device, settings.rank_timeout, FileStore(meeting, count)):
            return work.run(Replica((device,), number, count, has_parent=True))
    except Disconnected:
        time.sleep(ROOT_CAUSE_GRACE_SECONDS)
        raise
    except UserError:  # the same for all
        raise
    except Exception as error:
        known = as_user_error(error)
        raise Failed(str(known)) if known else error from None
