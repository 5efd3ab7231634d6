"""One update: gradient of the batch, clipping, step."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import Parameter

from s2s_cli.data.batches import Batch
from s2s_cli.model.config import Shape
from s2s_cli.model.pipeline import Model
from s2s_cli.model.slices import on
from s2s_cli.model.work import decoder_flops, encoder_flops, softmax_flops
from s2s_cli.training.optimisers import Optimisers


def gradient(model: Model, batch: Batch, batch_size: float, *, bf16: bool) -> Tensor:
    """Add to each parameter's gradient; the loss summed over the batch's words.

    The gradient is the sum over the batch divided by ``batch_size``, not by the number of words
    (§3.4), also where a batch holds fewer sentences: every sentence of an epoch weighs the same.
    """
    device_type = batch.words.device.type
    with torch.autocast(device_type, torch.bfloat16, enabled=bf16):
        loss: Tensor = model(batch.source, batch.target_input, batch.words)
    (loss / batch_size).backward()
    return loss.detach()


@torch.no_grad()
def gradient_norm(parameters: Iterable[Parameter]) -> Tensor:
    """L2 norm s of the gradient of all parameters together, a scalar (§3.4)."""
    values = [gradient_values(each) for each in parameters if each.grad is not None]
    norms = [torch.linalg.vector_norm(each) for each in values]
    norm: Tensor = torch.linalg.vector_norm(torch.stack([on(norms[0].device, n) for n in norms]))
    return norm


@torch.no_grad()
def step(optimisers: Optimisers, rate: float, factor: float) -> None:
    """Step along ``factor`` times the gradient.

    For SGD the factor joins the learning rate, which saves a pass over the gradient.
    """
    linear = optimisers.spec.is_linear
    for optimiser in optimisers.each:
        for group in optimiser.param_groups:
            group["lr"] = rate * factor if linear else rate
            for parameter in group["params"]:
                if not linear and factor != 1 and parameter.grad is not None:
                    gradient_values(parameter).mul_(factor)
        optimiser.step()


def clipping(norm: float, largest: float) -> float:
    """What to multiply the gradient g by: 5 / s where its norm s > 5, else 1 (§3.4)."""
    return largest / norm if 0 < largest < norm else 1.0


def gradient_values(parameter: Parameter) -> Tensor:
    """The numbers of a gradient: all of a dense one, the touched rows of a sparse one."""
    assert parameter.grad is not None
    if not parameter.grad.is_sparse:
        return parameter.grad
    # A word that stands twice in the batch has two rows; the norm is that of their sum.
    parameter.grad = parameter.grad.coalesce()
    values: Tensor = parameter.grad.values()
    return values


def operations(shape: Shape, source: int, target: int) -> int:
    """Floating-point operations of the products that an update needs, two a multiply-add.

    Forward once, backward twice as many, for so many words, each counted at each of its
    occurrences, and `EOS` among those of the target.
    """
    forward = encoder_flops(shape, source) + decoder_flops(shape, target)
    return 3 * (forward + softmax_flops(shape, target))
