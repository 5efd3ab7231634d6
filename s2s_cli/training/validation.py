"""Perplexity on the validation text."""

import math

import torch

from s2s_cli.data.batches import make_batch, plan_in_order
from s2s_cli.data.corpus import Split
from s2s_cli.distributed.replica import Replica
from s2s_cli.model.pipeline import Model


@torch.no_grad()
def perplexity_of(model: Model, split: Split, batch_size: int, replica: Replica) -> float:
    """Perplexity a target word, ``<EOS>`` counted, computed in fp32; replicas share the work."""
    model.eval()
    device = replica.devices[0]
    total, words = 0.0, 0
    for sentences in plan_in_order(split, batch_size)[replica.rank :: replica.world_size]:
        batch = make_batch(split, sentences).to(device)
        total += float(model(batch.source, batch.target_input, batch.words))
        words += len(batch.words)
    sums = torch.tensor([total, words], dtype=torch.float64, device=device)
    total, words = replica.reduce_sum(sums).tolist()
    mean = total / words
    return math.exp(mean if mean < 700 else 700)  # finite also where the mean is no number
