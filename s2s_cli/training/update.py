"""One update of the weights (§3.4): the gradient of a batch, its norm, clipping, the step."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import Parameter

from s2s_cli.data.batches import Batch, batch_parts, distinct_words, pair_lengths, part_sizes
from s2s_cli.data.corpus import Split
from s2s_cli.distributed.replica import Replica
from s2s_cli.model.config import Shape, TrainingPrecision
from s2s_cli.model.parts import BatchParts
from s2s_cli.model.pipeline import Model
from s2s_cli.model.precision import products_in
from s2s_cli.model.work import decoder_flops, encoder_flops, softmax_flops
from s2s_cli.training.config import TrainingConfig
from s2s_cli.training.losses import batch_loss
from s2s_cli.training.optimisers import Optimisers

MakeRows = Callable[[], Sequence[Tensor]]


class BatchGradient:
    """Sets a model's gradient to that of sentence pairs; where memory runs out, in parts."""

    def __init__(
        self, model: Model, split: Split, device: torch.device, config: TrainingConfig
    ) -> None:
        """Be ready for batches of ``split``; the input of ``model`` goes to ``device``."""
        self.model, self.split, self.device = model, split, device
        self.precision = config.precision
        self.parts = BatchParts("batches")

    def __call__(self, sentences: Tensor, batch_size: float, rows: MakeRows = tuple) -> Tensor:
        """Set the gradient, whatever was there; return the loss summed over words.

        Gradients of parts add up to that of the whole, to rounding.

        Args:
            sentences: numbers of the pairs.
            batch_size: see `backward`.
            rows: makes those of `shared_rows`, if there are any.

        Raises:
            RuntimeError: out of memory with a single pair.
        """
        sizes = part_sizes(self.split, sentences)
        return self.parts.compute(sizes, partial(self.in_parts, sentences, batch_size, rows))

    def in_parts(self, sentences: Tensor, batch_size: float, rows: MakeRows, parts: int) -> Tensor:
        """Compute so many parts, one after another."""
        self.model.train()
        self.model.zero_grad()
        losses = []
        for batch in batch_parts(self.split, sentences, parts):
            moved = batch.to(self.device)
            losses.append(backward(self.model, moved, batch_size, self.precision))
        # Now, while a GPU has work to do.
        for table, distinct in zip(self.model.tables(), rows(), strict=False):
            sum_rows(table, distinct.to(self.device, non_blocking=True))
        return torch.stack(losses).sum()

    def rehearse(
        self,
        sentences: Tensor,
        optimisers: Optimisers,
        replica: Replica,
        validate: Callable[[], object] = lambda: None,
    ) -> None:
        """Compute the gradient of the largest batch and forget it: out of memory is then now.

        So it is in ``validate``, which is called with as much in memory as at a validation. No
        number of the training changes, what chance decides included.
        """
        shard, _ = replica.shard_batch(sentences)
        with torch.random.fork_rng({each for each in replica.devices if each.type == "cuda"}):
            reserved = optimisers.reserved_moments()
            self(shard, len(sentences), partial(shared_rows, self.split, sentences, replica))
            self.model.zero_grad()
            validate()
        del reserved


def backward(model: Model, batch: Batch, batch_size: float, precision: TrainingPrecision) -> Tensor:
    """Add to each parameter's gradient; return the loss summed over the batch's words.

    The gradient is the sum over the batch divided by ``batch_size``, not by the number of words
    (§3.4), also where a batch holds fewer sentences: every sentence of an epoch weighs the same.
    """
    with products_in(batch.words.device, precision):
        loss = batch_loss(model, batch)
    (loss / batch_size).backward()
    return loss.detach()


def shared_rows(split: Split, sentences: Tensor, replica: Replica) -> Sequence[Tensor]:
    """The rows of each embedding that have a gradient in a batch of all replicas.

    All replicas know them without an exchange, and no GPU has to be asked. Where there is neither,
    there are none: rows are those that the model touches.
    """
    if replica.world_size == 1 and replica.devices[0].type == "cpu":
        return ()
    return distinct_words(split, sentences)


@torch.no_grad()
def sum_rows(table: Tensor, distinct: Tensor) -> None:
    """Have one row for each word in the gradient of an embedding, the sum over its occurrences.

    `torch.Tensor.coalesce` does the same, but waits for the GPU to say how many words there are.

    Args:
        table: the embedding, [words, size].
        distinct: [n] ids, ascending, all that the gradient has among them.
    """
    gradient = table.grad
    assert gradient is not None
    place = torch.searchsorted(distinct, gradient._indices()[0])
    # Of the backward passes that sum rows, this one has a fixed order.
    sums = torch.ops.aten.embedding_dense_backward(
        gradient._values(), place, len(distinct), -1, False
    )
    table.grad = torch.sparse_coo_tensor(
        distinct[None], sums, table.shape, check_invariants=False, is_coalesced=True
    )


@torch.no_grad()
def gradient_norm(parameters: Iterable[Parameter]) -> Tensor:
    """L2 norm s of the gradient of all parameters together, a scalar (§3.4)."""
    values = [gradient_values(each) for each in parameters if each.grad is not None]
    each_norm = torch._foreach_norm(values)
    # On one device. A copy from another GPU is begun, not waited for.
    norms = [each.to(each_norm[0].device, non_blocking=True) for each in each_norm]
    norm: Tensor = torch.linalg.vector_norm(torch.stack(norms))
    return norm


def clip_coefficient(norm: float, largest: float) -> float:
    """The factor of the gradient: 5 / s where its norm s > 5, else 1 (§3.4)."""
    return largest / norm if 0 < largest < norm else 1.0


@torch.no_grad()
def step(optimisers: Optimisers, rate: float, coefficient: float) -> None:
    """Step along ``coefficient`` times the gradient.

    For SGD the coefficient joins the learning rate, which saves a pass over the gradient.
    """
    linear = optimisers.spec.is_linear
    for optimiser in optimisers.each:
        for parameter in optimiser.parameters:
            if not linear and coefficient != 1 and parameter.grad is not None:
                gradient_values(parameter).mul_(coefficient)
        optimiser.step(rate * coefficient if linear else rate)


def gradient_values(parameter: Tensor) -> Tensor:
    """The numbers of a gradient: all of a dense one, the touched rows of a sparse one."""
    assert parameter.grad is not None
    if not parameter.grad.is_sparse:
        return parameter.grad
    # A word that stands twice in the batch has two rows; the norm is that of their sum.
    parameter.grad = parameter.grad.coalesce()
    values: Tensor = parameter.grad.values()
    return values


def training_flops(shape: Shape, source: int, target: int) -> int:
    """Floating-point operations of the products that an update needs, two a multiply-add.

    Forward once, backward twice as many, for so many words, each counted at each of its
    occurrences, and `EOS` among those of the target.
    """
    forward = encoder_flops(shape, source) + decoder_flops(shape, target)
    return 3 * (forward + softmax_flops(shape, target))


def largest_batch(split: Split, plan: list[Tensor]) -> Tensor:
    """The batch of ``plan`` with the most words; its sentence numbers."""
    source, target = pair_lengths(split, torch.cat(plan))
    ends = torch.tensor([len(each) for each in plan]).cumsum(0)
    upto = (source + target).cumsum(0)[ends - 1]
    return plan[int(upto.diff(prepend=upto.new_zeros(1)).argmax())]
