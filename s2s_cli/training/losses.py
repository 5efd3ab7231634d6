"""The losses: what training descends on, and perplexity, by which the best weights are chosen.

A new loss is a name in `Loss` and a case of `batch_loss`. Perplexity stays that of the model's
probabilities, so that trainings with different losses can be compared.
"""

import math
from typing import Literal, assert_never

import torch
from torch import Tensor

from s2s_cli.data.batches import Batch, make_batch, plan_in_order
from s2s_cli.data.corpus import Split
from s2s_cli.distributed.replica import Replica
from s2s_cli.model.pipeline import Model

Loss = Literal["negative-log-likelihood"]

# In place of a perplexity that no number can hold, or that is none.
WORST_PERPLEXITY = math.exp(700)
# So many times that of guessing: a model that knows its training text by heart, and no other, is
# still below.
DIVERGED = 1000


def batch_loss(model: Model, batch: Batch, loss: Loss = "negative-log-likelihood") -> Tensor:
    """The loss summed over all target words of a batch, ``<EOS>`` counted: a scalar (§3.2)."""
    match loss:
        case "negative-log-likelihood":
            total: Tensor = model(batch.source, batch.target_input, batch.words)
            return total
        case _:
            assert_never(loss)


@torch.no_grad()
def perplexity(model: Model, split: Split, batch_size: int, replica: Replica) -> float:
    """Perplexity a target word, ``<EOS>`` counted, computed in fp32; replicas share the work."""
    model.eval()
    device = replica.devices[0]
    total, words = 0.0, 0
    for sentences in plan_in_order(split, batch_size)[replica.rank :: replica.world_size]:
        batch = make_batch(split, sentences).to(device)
        total += float(batch_loss(model, batch))
        words += len(batch.words)
    sums = torch.tensor([total, words], dtype=torch.float64, device=device)
    total, words = replica.reduce_sum(sums).tolist()
    mean = total / words
    return math.exp(mean) if mean < 700 else WORST_PERPLEXITY  # also of what is no number


def has_diverged(perplexity: float, vocabulary: int) -> bool:
    """True for a perplexity much higher than that of guessing among ``vocabulary`` words."""
    return perplexity > DIVERGED * vocabulary
