"""Replicas as processes: started here, or from outside by torchrun or SLURM."""

import contextlib
import logging
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any, Protocol, assert_never

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
from s2s_cli.distributed.signals import Stopped, StopSignals
from s2s_cli.errors import UsageError, UserError, as_user_error
from s2s_cli.model.device import choose_devices, set_threads

# What asks a replica that was started here to stop after its update. SIGTERM and SIGINT, which
# torch has the system send when the parent dies, end it at once, wherever it waits.
FROM_PARENT = "SIGUSR1"
# A replica that lost another one waits so long, for the launcher to see which one failed first.
ROOT_CAUSE_GRACE_SECONDS = 3.0
# Files in the folder of a launch: where replicas meet, and a mark that they are to stop.
MEETING, STOP = "meeting", "stop"


class Failed(UserError):
    """A failure of one replica that need not be one of the others."""


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
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.disable(logging.CRITICAL)  # the launcher's own account of failures
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"  # which would listen to everybody
    with (
        tempfile.TemporaryDirectory(prefix="s2s-train-") as folder,
        StopSignals(
            first=partial(stop_replicas, Path(folder)), second=partial(end_replicas, Path(folder))
        ) as signals,
    ):
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=settings.gpus,
            run_id=Path(folder).name,
            rdzv_backend="c10d",
            rdzv_endpoint=f"{folder}/launcher",
            rdzv_configs={"store_type": "file"},
            max_restarts=0,
            local_addr="127.0.0.1",
            logs_specs=DefaultLogsSpecs(log_dir=f"{folder}/logs"),
            signals_to_handle="",
        )
        try:
            results = elastic_launch(config, run_launched)(work, settings, Path(folder))
        except ChildFailedError as error:
            _, first = error.get_first_failure()
            unheard = first.exitcode == -getattr(signal, FROM_PARENT)  # it was not listening yet
            if signals.received is not None and unheard:
                say(f"{work.name}: stopped before the first update")
                return Stopped(finished=False, signal=signals.received)
            raise failure(error, settings.gpus) from None
        stopped: Stopped = results[0]
        return stopped if stopped.finished else Stopped(False, signals.received or stopped.signal)


def stop_replicas(folder: Path) -> None:
    """Ask every process started here, or still to be started, to stop after its update."""
    (folder / STOP).touch()
    for child in multiprocessing.active_children():
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid or 0, getattr(signal, FROM_PARENT))


def end_replicas(folder: Path) -> None:
    """End every process started here, whatever it is at, and leave nothing behind."""
    for child in multiprocessing.active_children():
        child.kill()
    shutil.rmtree(folder, ignore_errors=True)


def run_launched(work: Work, settings: DeviceSettings, folder: Path) -> Stopped:
    """Be one process of `launch`, which has set its variables."""
    os.setpgid(0, 0)  # Ctrl-C is for the parent, which passes it on
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with StopSignals([FROM_PARENT]) as signals:
        if (folder / STOP).exists():
            signals.received = getattr(signal, FROM_PARENT)
        return run_met(work, settings, folder / MEETING, signals)


def run_met(work: Work, settings: DeviceSettings, meeting: Path, signals: StopSignals) -> Stopped:
    """Do ``work`` as one of the processes that meet at a file."""
    loopback = "lo0" if sys.platform == "darwin" else "lo"
    os.environ |= {"GLOO_SOCKET_IFNAME": loopback, "NCCL_SOCKET_IFNAME": f"={loopback}"}
    number, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    rank = Rank(number, count, number, count)
    device = choose_devices(settings.device, count)[number]
    set_threads(settings.threads or cores_per_process(rank))
    try:
        with process_group(rank, device, settings.rank_timeout, FileStore(str(meeting), count)):
            return work.run(Replica((device,), number, count, signals))
    except Disconnected:
        time.sleep(ROOT_CAUSE_GRACE_SECONDS)
        raise
    except UserError:  # the same for all
        raise
    except Exception as error:
        known = as_user_error(error)
        raise Failed(str(known)) if known else error from None


def failure(error: Any, count: int) -> UserError:
    """Make one sentence of what the launcher says of the first replica that failed."""
    rank, first = error.get_first_failure()
    message = first.message
    if isinstance(message, dict):
        kind, _, sentence = str(message["message"]).partition(": ")
        if kind in {each.__name__ for each in (UserError, UsageError, Disconnected)}:
            return UserError(sentence)
        if kind != Failed.__name__:
            print(message["extraInfo"]["py_callstack"], file=sys.stderr)
        reason = last_line(sentence)
    elif first.exitcode < 0:
        reason = f"was ended by signal {-first.exitcode} ({first.signal_name()})"
    else:
        reason = f"ended with exit code {first.exitcode}"
    return UserError(
        f"replica {rank} of {count} (process {first.pid}): {reason}; the others were ended too; "
        "the same command goes on from the last checkpoint"
    )
