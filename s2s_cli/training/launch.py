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
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch.distributed import FileStore  # type: ignore[attr-defined]

from s2s_cli.console import say
from s2s_cli.data.corpus import Corpus
from s2s_cli.errors import UserError, as_user_error
from s2s_cli.model.config import ModelConfig
from s2s_cli.model.device import choose_devices, keep_memory, set_threads
from s2s_cli.training.config import TrainingConfig
from s2s_cli.training.loop import Stopped, train
from s2s_cli.training.plan import plan
from s2s_cli.training.replica import Replica
from s2s_cli.training.seats import (
    Disconnected,
    Seat,
    devices_of,
    joined,
    last_line,
    seat_from_outside,
    share_of_cores,
)
from s2s_cli.training.signals import StopSignals

# What asks a replica that was started here to stop after its update. SIGTERM and SIGINT, which
# torch has the system send when the parent dies, end it at once, wherever it waits.
FROM_PARENT = "SIGUSR1"
# A replica that lost another one waits so long, for the launcher to see which one was first.
AFTER_YOU_SECONDS = 3.0
# Files in the folder of a launch: where replicas meet, and a mark that they are to stop.
MEETING, STOP = "meeting", "stop"


class Failed(UserError):
    """What went wrong in one replica, and need not in others."""


@dataclass(frozen=True)
class Job:
    """What to train: the arguments of ``s2s train``."""

    data: Path
    directory: Path
    shape: ModelConfig
    config: TrainingConfig

    def train(self, replica: Replica) -> Stopped:
        keep_memory()
        return train(self.data, self.directory, self.shape, self.config, replica)


def start(job: Job) -> Stopped:
    """Train in this process, in several that are started here, or as one of those from outside.

    Raises:
        UserError: devices that are not there (exit code 2); all that training raises.
    """
    config = job.config
    seat = seat_from_outside(os.environ)
    if seat is not None:
        return train_outside(job, seat)
    devices = choose_devices(config.device, config.gpus)
    if len(devices) > 1 and config.layout == "data":
        if devices[0].type == "cuda" and len(set(devices)) == 1:
            raise UserError(
                f"--device {config.device} --layout data: each process needs a GPU of its own; "
                "leave --device out, or take --layout model",
                exit_code=2,
            )
        Corpus.open(job.data)  # what is wrong with it is better told by one than by all
        return launch(job, len(devices))
    set_threads(config.threads)
    return job.train(Replica(devices))


def planned(job: Job) -> str:
    """What ``--plan`` prints.

    Raises:
        UserError: no corpus; devices that are not there (exit code 2).
    """
    config = job.config
    devices = choose_devices(config.device, config.gpus)
    set_threads(config.threads)
    keep_memory()
    return plan(Corpus.open(job.data), job.shape, config, devices, config.layout)


def train_outside(job: Job, seat: Seat) -> Stopped:
    """Train as one of several processes that others have started."""
    config = job.config
    if config.layout == "data" and config.gpus > 1:
        raise UserError(
            f"--gpus {config.gpus}: there are {seat.count} processes already, one for a GPU each; "
            "leave --gpus out, or have each span several with --layout model",
            exit_code=2,
        )
    devices = devices_of(config, seat)
    set_threads(config.threads or share_of_cores(seat))
    with joined(seat, devices[0], config.rank_timeout):
        return job.train(Replica(devices, seat.rank, seat.count))


def launch(job: Job, count: int) -> Stopped:
    """Start ``count`` replicas on this machine; how they ended.

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
            nproc_per_node=count,
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
            results = elastic_launch(config, replica)(job, Path(folder))
        except ChildFailedError as error:
            _, first = error.get_first_failure()
            unheard = first.exitcode == -getattr(signal, FROM_PARENT)  # it was not listening yet
            if signals.received is not None and unheard:
                say(f"{job.directory}: stopped before the first update")
                return Stopped(finished=False, signal=signals.received)
            raise failure(error, count) from None
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


def replica(job: Job, folder: Path) -> Stopped:
    """One process of `launch`, which has set its variables."""
    os.setpgid(0, 0)  # Ctrl-C is for the parent, which passes it on
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with StopSignals([FROM_PARENT]) as signals:
        if (folder / STOP).exists():
            signals.received = getattr(signal, FROM_PARENT)
        return one_of_several(job, folder / MEETING, signals)


def one_of_several(job: Job, meeting: Path, signals: StopSignals) -> Stopped:
    """Train as one of the processes that meet at a file."""
    loopback = "lo0" if sys.platform == "darwin" else "lo"
    os.environ |= {"GLOO_SOCKET_IFNAME": loopback, "NCCL_SOCKET_IFNAME": f"={loopback}"}
    rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    config, seat = job.config, Seat(rank, count, rank, count)
    device = choose_devices(config.device, count)[rank]
    set_threads(config.threads or share_of_cores(seat))
    try:
        with joined(seat, device, config.rank_timeout, FileStore(str(meeting), count)):
            return job.train(Replica((device,), rank, count, signals))
    except Disconnected:
        time.sleep(AFTER_YOU_SECONDS)
        raise
    except UserError:  # the same for all
        raise
    except Exception as error:
        told = as_user_error(error)
        raise Failed(str(told)) if told else error from None


def failure(error: Any, count: int) -> UserError:
    """What the launcher tells of the first replica that failed."""
    rank, first = error.get_first_failure()
    told = first.message
    if isinstance(told, dict):
        kind, _, sentence = str(told["message"]).partition(": ")
        if kind in (UserError.__name__, Disconnected.__name__):
            return UserError(sentence)
        if kind != Failed.__name__:
            print(told["extraInfo"]["py_callstack"], file=sys.stderr)
        told = last_line(sentence)
    elif first.exitcode < 0:
        told = f"was ended by signal {-first.exitcode} ({first.signal_name()})"
    else:
        told = f"ended with exit code {first.exitcode}"
    return UserError(
        f"replica {rank} of {count} (process {first.pid}): {told}; the others were ended too; the "
        "same command goes on from the last checkpoint"
    )
