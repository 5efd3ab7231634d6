"""Replicas: their shards of a batch, and what chance decides in each."""

import random

import torch

from s2s_cli.distributed.replica import Replica

CPU = torch.device("cpu")


def test_shards_cover_a_batch() -> None:
    batch = torch.tensor(random.Random(1).sample(range(100), 11))
    shards = [Replica((CPU,), rank, 4).shard_batch(batch) for rank in range(4)]
    assert sorted(torch.cat([shard for shard, _ in shards]).tolist()) == sorted(batch.tolist())
    assert all(counts for _, counts in shards)
    assert [
        counts for _, counts in (Replica((CPU,), r, 4).shard_batch(batch[:2]) for r in range(4))
    ] == [
        True,
        True,
        False,
        False,
    ]


def test_dropout_differs_between_processes_and_updates_and_comes_back() -> None:
    def drawn(rank: int, update: int) -> float:
        Replica((CPU,), rank, 2).seed(1, update)
        return float(torch.rand(()))

    numbers = [drawn(rank, update) for rank in range(2) for update in range(3)]
    assert len(set(numbers)) == 6
    assert drawn(1, 2) == numbers[-1]
