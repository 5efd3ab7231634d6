"""The seats of replicas, one process each: who is who, on which devices, and how they meet."""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed import FileStore  # type: ignore[attr-defined]

from s2s_cli import console
from s2s_cli.errors import UserError, is_out_of_memory
from s2s_cli.model.device import choose_devices
from s2s_cli.parallel import available_cores
from s2s_cli.training.config import TrainingConfig


@dataclass(frozen=True)
class Seat:
    """Where a process stands among the replicas.

    Attributes:
        rank: its number among all, from 0.
        count: of all.
        local: its number on its machine.
        beside: processes on its machine.
    """

    rank: int
    count: int
    local: int
    beside: int


class Disconnected(UserError):
    """Another replica does not answer any more."""


def seat_from_outside(environment: Mapping[str, str]) -> Seat | None:
    """The seat that torchrun's or SLURM's variables give; None where there are none, or for one.

    Under SLURM, what torch.distributed asks for is set here where it is not: the first machine of
    the list, and a port that depends on the job and its step.

    Raises:
        UserError: variables that make no sense (exit code 2).
    """
    try:
        return read_seat(environment)
    except (KeyError, ValueError) as error:
        raise UserError(
            f"the variables of torchrun or SLURM make no sense ({error}); start s2s with one of "
            "them, or without RANK and WORLD_SIZE",
            exit_code=2,
        ) from None


def read_seat(environment: Mapping[str, str]) -> Seat | None:
    """As `seat_from_outside`.

    Raises:
        KeyError, ValueError: a variable is missing, or no number.
    """
    if "RANK" in environment and "WORLD_SIZE" in environment:
        rank, count, local, beside = (
            int(environment.get(name, 0))
            for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        )
    elif int(environment.get("SLURM_STEP_NUM_TASKS", 1)) > 1 and "SLURM_PROCID" in environment:
        rank, count, local = (
            int(environment.get(name, 0))
            for name in ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID")
        )
        each_node = re.match(r"\d+", environment.get("SLURM_STEP_TASKS_PER_NODE", ""))
        beside = int(each_node[0]) if each_node else 1
        job, job_step = (int(environment.get(f"SLURM_{name}_ID", 0)) for name in ("JOB", "STEP"))
        port = 20_000 + (100 * job + job_step) % 20_000
        os.environ.setdefault("MASTER_ADDR", first_host(environment["SLURM_STEP_NODELIST"]))
        os.environ.setdefault("MASTER_PORT", str(port))
    else:
        return None
    return Seat(rank, count, local, max(beside, 1)) if count > 1 else None


def first_host(nodes: str) -> str:
    """``gpu[03-05,09],login1`` → ``gpu03``."""
    matched = re.match(r"([^\[,]+)(?:\[(\d+)[^\]]*\])?([^,]*)", nodes)
    return "".join(part or "" for part in matched.groups()) if matched else nodes


def devices_of(config: TrainingConfig, seat: Seat) -> tuple[torch.device, ...]:
    """The devices of one replica: as many as ``--gpus`` says, after those of its neighbours.

    Raises:
        UserError: there are too few (exit code 2).
    """
    if config.device not in ("auto", "cuda") or not torch.cuda.is_available():
        devices = choose_devices(config.device, config.gpus)
        if devices[0].type == "cuda" and seat.beside > 1:
            raise UserError(
                f"--device {config.device}: {seat.beside} processes on this machine cannot share "
                "a GPU; leave --device out",
                exit_code=2,
            )
        return devices
    found = torch.cuda.device_count()
    # Some launchers show each process its own GPUs alone.
    first = 0 if found == config.gpus else seat.local * config.gpus
    if first + config.gpus > found:
        raise UserError(
            f"process {seat.local} of this machine needs GPUs {first} to "
            f"{first + config.gpus - 1}, and there are {found}; start fewer processes",
            exit_code=2,
        )
    return tuple(torch.device("cuda", first + number) for number in range(config.gpus))


def share_of_cores(seat: Seat) -> int:
    """CPU threads of a process that has others beside it."""
    return max(1, available_cores() // seat.beside)


@contextlib.contextmanager
def joined(
    seat: Seat, device: torch.device, minutes: float, store: FileStore | None = None
) -> Iterator[None]:
    """Meet the other replicas, and part at the end; only the first one talks.

    Raises:
        Disconnected: one of them did not come, or does not answer any more.
    """
    if seat.rank:
        console.silence()
    meet(seat, device, minutes, store)
    try:
        yield
        dist.destroy_process_group()
    except (RuntimeError, ValueError) as error:
        if is_out_of_memory(error) or not is_about_connections(error):
            raise
        raise Disconnected(
            f"replica {seat.rank} of {seat.count} lost another one ({last_line(error)})"
        ) from None


def meet(seat: Seat, device: torch.device, minutes: float, store: FileStore | None) -> None:
    """Wait for the other replicas, and be ready for exchanges.

    Raises:
        Disconnected: not all came.
    """
    cuda = device.type == "cuda"
    if cuda:
        # Waiting for an exchange then ends in an error, not in the process being torn down.
        os.environ.setdefault("TORCH_NCCL_BLOCKING_WAIT", "1")
        torch.cuda.set_device(device)
    try:
        dist.init_process_group(
            "nccl" if cuda else "gloo",
            rank=seat.rank,
            world_size=seat.count,
            store=store,
            timeout=timedelta(minutes=minutes),
        )
    except (RuntimeError, ValueError) as error:
        where = ":".join(os.environ.get(f"MASTER_{name}", "?") for name in ("ADDR", "PORT"))
        raise Disconnected(
            f"replica {seat.rank} of {seat.count} could not meet the others within {minutes:g} "
            f"minutes{'' if store else f' at {where}'} ({last_line(error)})"
        ) from None


def is_about_connections(error: Exception) -> bool:
    """Whether another replica is to blame; gloo has no type of its own for that."""
    said = str(error).lower()
    phrases = "gloo", "nccl", "connection closed", "connection reset", "pair closure", "timed out w"
    return isinstance(error, dist.DistError) or any(each in said for each in phrases)


def last_line(error: object) -> str:
    """The last line of a message that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
