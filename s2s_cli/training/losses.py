"""The losses: what training descends on, and perplexity, by which the best weights are chosen.

A new loss is a name in `Loss` and a case of `batch_loss`. Perplexity stays that of the model's
probabilities, so that trainings with different losses can be compared.
"""

import math
from typing import Literal, assert_never

import torch
from torch import Tensor

from s2s_cli.data.batches import Batch, batch_parts, count_pair_words, part_sizes, plan_in_order
from s2s_cli.data.corpus import Split
from s2s_cli.distributed.replica import Replica
from s2s_cli.model.parts import BatchParts
from s2s_cli.model.pipeline import Model
from s2s_cli.model.precision import products_in

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
def perplexity(
    model: Model, split: Split, batch_size: int, replica: Replica, parts: BatchParts
) -> float:
    """Perplexity a target word, ``<EOS>`` counted, computed in fp32; replicas share the work.

    Where memory runs out, batches are computed in ``parts``.
    """
    device = replica.devices[0]
    total, words = 0.0, 0
    for sentences in plan_in_order(split, batch_size)[replica.rank :: replica.world_size]:
        total += validation_loss(model, split, sentences, device, parts)
        words += count_pair_words(split, sentences)[1] + len(sentences)
    sums = torch.tensor([total, words], dtype=torch.float64, device=device)
    total, words = replica.reduce_sum(sums).tolist()
    mean = total / words
    return math.exp(mean) if mean < 700 else WORST_PERPLEXITY  # also of what is no number


@torch.no_grad()
def validation_loss(
    model: Model, split: Split, sentences: Tensor, device: torch.device, parts: BatchParts
) -> float:
    """The loss summed over the target words of some pairs, computed as one batch or in parts."""
    model.eval()

    def in_parts(number: int) -> float:
        batches = batch_parts(split, sentences, number)
        with products_in(device, "fp32"):
            return sum(float(batch_loss(model, each.to(device))) for each in batches)

    return parts.compute(part_sizes(split, sentences), in_parts)


def has_diverged(perplexity: float, vocabulary: int) -> bool:
    """True for a perplexity much higher than that of guessing among ``vocabulary`` words."""
    return perplexity > DIVERGED * vocabulary
