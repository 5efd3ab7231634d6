"""Copies of a model that train together, a process each: their gradients are summed.

An update means the same as on one device with the whole batch. Every replica runs the same number
of updates by construction: all know every batch, and each takes its share.
"""

import random
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import Parameter

from s2s_cli.training.signals import StopSignals


@dataclass(frozen=True)
class Replica:
    """The copy of a model that this process trains, among all.

    Attributes:
        devices: over which the copy is spread; the first has the input.
        rank: number of this process, from 0.
        count: of processes; with 1, nothing is exchanged.
        signals: what asks it to stop after the present update; None: the usual signals do.
    """

    devices: tuple[torch.device, ...]
    rank: int = 0
    count: int = 1
    signals: StopSignals | None = None

    @property
    def first(self) -> bool:
        """Whether this process is the one that talks and writes files."""
        return self.rank == 0

    @property
    def alone(self) -> bool:
        """Whether there is one device in all."""
        return self.count == len(self.devices) == 1

    def stop_signals(self) -> AbstractContextManager[StopSignals]:
        """What asks this process to stop after the present update, while training lasts."""
        return StopSignals() if self.signals is None else nullcontext(self.signals)

    def seed(self, seed: int, update: int) -> None:
        """Make what chance decides in an update, dropout, depend on its number and the device."""
        for number, device in enumerate(dict.fromkeys(self.devices)):
            drawn = random.Random(f"{seed} {update} {self.rank} {number}").getrandbits(63)
            if device.type == "cuda":
                with torch.cuda.device(device):
                    torch.cuda.manual_seed(drawn)
            else:
                torch.manual_seed(drawn)

    def share(self, sentences: Tensor) -> tuple[Tensor, bool]:
        """The sentences of a batch that are this replica's, and whether they count.

        They are taken here and there, so that shares are alike in length. A replica for which
        none is left computes one that does not count, so that all exchange the same tensors.
        """
        mine = sentences[self.rank :: self.count]
        return (mine, True) if len(mine) else (sentences[:1], False)

    def sum(self, numbers: Tensor) -> Tensor:
        """The sum of all replicas' ``numbers``, to the same bits for each."""
        if self.count > 1:
            wait(dist.all_reduce(numbers, async_op=True))
        return numbers

    def largest(self, number: int) -> int:
        """The largest of all replicas' numbers."""
        if self.count == 1:
            return number
        numbers = torch.tensor([number], device=self.devices[0])
        wait(dist.all_reduce(numbers, dist.ReduceOp.MAX, async_op=True))
        return int(numbers)

    def sum_gradients(self, parameters: Iterable[Parameter]) -> None:
        """Make each gradient the sum of all replicas'; of embeddings, rows alone travel."""
        if self.count == 1:
            return
        waiting, tables = [], []
        for each in parameters:
            assert each.grad is not None
            if each.grad.is_sparse:
                tables.append(each)
            else:
                waiting.append(dist.all_reduce(each.grad, async_op=True))
        for table in tables:
            self.sum_rows(table)
        for work in waiting:
            wait(work)

    def sum_rows(self, table: Parameter) -> None:
        """Add up the rows that the replicas touched; all get them in one order."""
        assert table.grad is not None
        mine = table.grad.coalesce()
        rows, values = mine.indices()[0], mine.values()
        counts = self.gathered(rows.new_tensor([len(rows)])).tolist()
        most = max(counts)
        real = torch.arange(most, device=rows.device) < rows.new_tensor(counts)[:, None]
        table.grad = torch.sparse_coo_tensor(
            self.gathered(filled_up(rows, most))[real.flatten()][None],
            self.gathered(filled_up(values, most))[real.flatten()],
            table.shape,
            check_invariants=False,
        ).coalesce()

    def gathered(self, values: Tensor) -> Tensor:
        """All replicas' ``values``, alike in shape, one after another."""
        everything = [torch.empty_like(values) for _ in range(self.count)]
        wait(dist.all_gather(everything, values, async_op=True))
        return torch.cat(everything)


def wait(work: dist.Work | None) -> None:
    """Wait for an exchange.

    Waiting for one that was begun is what raises an error, with NCCL, where another process is
    gone or too late; a kernel that waits on the GPU never ends.
    """
    assert work is not None
    work.wait()


def filled_up(values: Tensor, most: int) -> Tensor:
    """``values`` and as many zeros as make their number ``most``."""
    filled = values.new_zeros(most, *values.shape[1:])
    filled[: len(values)] = values
    return filled
