"""Copies of a model that train together, a process each: their gradients are summed.

An update means the same as on one device with the whole batch. Every replica runs the same number
of updates by construction: all know every batch, and each takes its shard.
"""

import random
import signal
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import Parameter

from s2s_cli.distributed.signals import FROM_PARENT, StopSignals


@dataclass(frozen=True)
class Replica:
    """The copy of a model that this process trains, among all.

    Attributes:
        devices: over which the copy is spread; the first has the input.
        rank: number of this process, from 0.
        world_size: number of processes; with 1, nothing is exchanged.
        has_parent: it was started by another process, which hears of signals and asks it to stop.
    """

    devices: tuple[torch.device, ...]
    rank: int = 0
    world_size: int = 1
    has_parent: bool = False

    @property
    def is_main(self) -> bool:
        """True in the process that prints and writes files."""
        return self.rank == 0

    @property
    def is_single_device(self) -> bool:
        """True where there is one device in all."""
        return self.world_size == len(self.devices) == 1

    def stop_signals(self) -> StopSignals:
        """Note, while training lasts, what asks this process to stop after its update."""
        if self.has_parent:
            return StopSignals([FROM_PARENT], afterwards=signal.SIG_IGN)
        return StopSignals()

    def seed(self, seed: int, update: int) -> None:
        """Make what chance decides in an update, dropout, depend on its number and the device."""
        for number, device in enumerate(dict.fromkeys(self.devices)):
            drawn = random.Random(f"{seed} {update} {self.rank} {number}").getrandbits(63)
            if device.type == "cuda":
                with torch.cuda.device(device):
                    torch.cuda.manual_seed(drawn)
            else:
                torch.manual_seed(drawn)

    def shard_batch(self, sentences: Tensor) -> tuple[Tensor, bool]:
        """Take this replica's sentences of a batch; return them, and whether they count.

        They are taken at regular intervals, so that shards are alike in length. A replica for which
        none is left computes one that does not count, so that all exchange the same tensors.
        """
        shard = sentences[self.rank :: self.world_size]
        return (shard, True) if len(shard) else (sentences[:1], False)

    def reduce_sum(self, numbers: Tensor) -> Tensor:
        """Sum all replicas' ``numbers``, to the same bits for each."""
        if self.world_size > 1:
            wait(dist.all_reduce(numbers, async_op=True))
        return numbers

    def reduce_max(self, number: int) -> int:
        """Find the largest of all replicas' numbers."""
        if self.world_size == 1:
            return number
        numbers = torch.tensor([number], device=self.devices[0])
        wait(dist.all_reduce(numbers, dist.ReduceOp.MAX, async_op=True))
        return int(numbers)

    def reduce_gradients(self, parameters: Iterable[Parameter]) -> None:
        """Make each gradient the sum of all replicas'; of embeddings, only rows are sent.

        These are the same rows for all replicas.
        """
        if self.world_size == 1:
            return
        waiting = []
        for each in parameters:
            assert each.grad is not None
            values = each.grad.values() if each.grad.is_sparse else each.grad
            waiting.append(dist.all_reduce(values, async_op=True))
        for work in waiting:
            wait(work)


def wait(work: dist.Work | None) -> None:
    """Wait for an exchange.

    Waiting for one that was begun is what raises an error, with NCCL, where another process is
    gone or too late; a kernel that waits on the GPU never ends.
    """
    assert work is not None
    work.wait()
