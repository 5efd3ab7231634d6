"""Ranks of the processes that train together: their numbers, their devices, their process group."""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed import Store  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from s2s_cli import console
from s2s_cli.errors import UsageError, UserError, is_out_of_memory
from s2s_cli.interrupts import unhandled
from s2s_cli.model.device import choose_devices
from s2s_cli.parallel import available_cores


@dataclass(frozen=True)
class Rank:
    """The numbers of a process among all that train together, as torchrun names them.

    Attributes:
        rank: its number, from 0.
        world_size: number of processes.
        local_rank: its number on its machine, from 0.
        local_world_size: number of processes on its machine.
    """

    rank: int
    world_size: int
    local_rank: int
    local_world_size: int


class Disconnected(UserError):
    """Another replica that does not answer any more."""


def rank_from_environment(environment: Mapping[str, str]) -> Rank | None:
    """Read torchrun's or SLURM's variables; None where there are none, or one process.

    Under SLURM, what torch.distributed asks for is set here where it is not: the first machine of
    the list, and a port that depends on the job and its step.

    Raises:
        UserError: variables that make no sense (exit code 2).
    """
    try:
        return read_rank(environment)
    except (KeyError, ValueError) as error:
        raise UsageError(
            f"the variables of torchrun or SLURM make no sense ({error}); start s2s with one of "
            "them, or without RANK and WORLD_SIZE"
        ) from None


def read_rank(environment: Mapping[str, str]) -> Rank | None:
    """Read the variables, as `rank_from_environment`.

    Raises:
        KeyError, ValueError: a variable is missing, or no number.
    """
    if "RANK" in environment and "WORLD_SIZE" in environment:
        rank, world_size, local_rank, beside = (
            int(environment.get(name, 0))
            for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        )
    elif int(environment.get("SLURM_STEP_NUM_TASKS", 1)) > 1 and "SLURM_PROCID" in environment:
        rank, world_size, local_rank = (
            int(environment.get(name, 0))
            for name in ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID")
        )
        each_node = re.match(r"\d+", environment.get("SLURM_STEP_TASKS_PER_NODE", ""))
        beside = int(each_node[0]) if each_node else 1
        set_master(environment)
    else:
        return None
    return Rank(rank, world_size, local_rank, max(beside, 1)) if world_size > 1 else None


def set_master(environment: Mapping[str, str]) -> None:
    """Set the variables by which torch.distributed finds the first process, where they are not."""
    job, job_step = (int(environment.get(f"SLURM_{name}_ID", 0)) for name in ("JOB", "STEP"))
    port = 20_000 + (100 * job + job_step) % 20_000
    os.environ.setdefault("MASTER_ADDR", first_host(environment["SLURM_STEP_NODELIST"]))
    os.environ.setdefault("MASTER_PORT", str(port))


def first_host(nodes: str) -> str:
    """``gpu[03-05,09],login1`` → ``gpu03``."""
    matched = re.match(r"([^\[,]+)(?:\[(\d+)[^\]]*\])?([^,]*)", nodes)
    return "".join(part or "" for part in matched.groups()) if matched else nodes


def rank_devices(name: str, gpus: int, rank: Rank) -> tuple[torch.device, ...]:
    """Choose the devices of one replica: ``gpus``, after those of the ranks before on its machine.

    Args:
        name: what ``--device`` says.
        gpus: devices of each replica.
        rank: of the replica.

    Raises:
        UserError: there are too few (exit code 2).
    """
    if name not in ("auto", "cuda") or not torch.cuda.is_available():
        devices = choose_devices(name, gpus)
        if devices[0].type == "cuda" and rank.local_world_size > 1:
            raise UsageError(
                f"--device {name}: {rank.local_world_size} processes on this machine cannot share "
                "a GPU; leave --device out"
            )
        return devices
    found = torch.cuda.device_count()
    # Some launchers show each process its own GPUs alone.
    first = 0 if found == gpus else rank.local_rank * gpus
    if first + gpus > found:
        raise UsageError(
            f"process {rank.local_rank} of this machine needs GPUs {first} to "
            f"{first + gpus - 1}, and there are {found}; start fewer processes"
        )
    return tuple(torch.device("cuda", first + number) for number in range(gpus))


def cores_per_process(rank: Rank) -> int:
    """CPU cores for each of the processes of a machine."""
    return max(1, available_cores() // rank.local_world_size)


@contextlib.contextmanager
def process_group(
    rank: Rank, device: torch.device, minutes: float, store: Store | None = None
) -> Iterator[None]:
    """Connect with the other replicas, and disconnect at the end; only the first one prints.

    Args:
        rank: of this process.
        device: of its tensors.
        minutes: how long to wait for another replica.
        store: where they meet; None: where the variables of the environment say.

    Raises:
        Disconnected: one of them did not come, or does not answer any more.
    """
    if rank.rank:
        console.silence()
    init_process_group(rank, device, minutes, store)
    try:
        yield
        dist.destroy_process_group()
    except (RuntimeError, ValueError) as error:
        if is_out_of_memory(error) or not is_about_connections(error):
            raise
        raise Disconnected(
            f"replica {rank.rank} of {rank.world_size} lost another one ({last_line(error)})"
        ) from None


def init_process_group(
    rank: Rank, device: torch.device, minutes: float, store: Store | None
) -> None:
    """Wait for the other replicas, and be ready for exchanges.

    Raises:
        Disconnected: not all came.
        UsageError: another one has the same GPU.
    """
    cuda, timeout = device.type == "cuda", timedelta(minutes=minutes)
    if cuda:
        # Waiting for an exchange then ends in an error, not in the process being torn down.
        os.environ.setdefault("TORCH_NCCL_BLOCKING_WAIT", "1")
        torch.cuda.set_device(device)
    try:
        with unhandled():
            if cuda and not store:
                store = rendezvous_store(rank, timeout)
                claim_gpu(store, rank, device)
            dist.init_process_group(
                "nccl" if cuda else "gloo",
                rank=rank.rank,
                world_size=rank.world_size,
                store=store,
                timeout=timeout,
            )
    except (RuntimeError, ValueError) as error:
        where = ":".join(os.environ.get(f"MASTER_{name}", "?") for name in ("ADDR", "PORT"))
        raise Disconnected(
            f"replica {rank.rank} of {rank.world_size} could not meet the others within "
            f"{minutes:g} minutes{'' if store else f' at {where}'} ({last_line(error)})"
        ) from None


def rendezvous_store(rank: Rank, timeout: timedelta) -> Store:
    """The store that the variables of the environment name, which all replicas share."""
    found = next(rendezvous("env://", rank.rank, rank.world_size, timeout=timeout))
    store: Store = found[0]
    store.set_timeout(timeout)
    return store


def claim_gpu(store: Store, rank: Rank, device: torch.device) -> None:
    """Note in ``store`` who has the GPU; NCCL ends or hangs where two processes share one.

    Raises:
        UsageError: another one has it.
    """
    gpu = str(torch.cuda.get_device_properties(device).uuid)
    owner = int(store.compare_set(f"gpu {gpu}", "", str(rank.rank)))
    if owner != rank.rank:
        raise UsageError(
            f"replicas {min(owner, rank.rank)} and {max(owner, rank.rank)} have the same GPU, "
            f"{device}; start only as many processes as there are GPUs, each with one of its own"
        )


def is_about_connections(error: Exception) -> bool:
    """True where another replica is to blame; gloo has no type of its own for that."""
    said = str(error).lower()
    phrases = "gloo", "nccl", "connection closed", "connection reset", "pair closure", "timed out w"
    return isinstance(error, dist.DistError) or any(each in said for each in phrases)


def last_line(error: object) -> str:
    """The last line of a message that is not blank."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
