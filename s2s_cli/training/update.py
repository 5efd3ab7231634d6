"""One update: gradient of the batch, clipping, step."""

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import Parameter

from s2s_cli.data.batches import Batch
from s2s_cli.model.seq2seq import Seq2Seq


def make_optimiser(
    kind: Literal["sgd", "adam"], parameters: Iterable[Parameter]
) -> torch.optim.Optimizer:
    """SGD without momentum (§3.4) or Adam; the learning rate is set at each update."""
    match kind:
        case "sgd":
            return torch.optim.SGD(parameters, lr=0.0)
        case "adam":
            return torch.optim.Adam(parameters, lr=0.0, fused=True)


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate


def gradient(model: Seq2Seq, batch: Batch, batch_size: int, *, bf16: bool) -> Tensor:
    """Set each parameter's gradient; the loss summed over the batch's words.

    The gradient is the sum over the batch divided by ``batch_size``, not by the number of words
    (§3.4), also where a batch holds fewer sentences: every sentence of an epoch weighs the same.
    """
    device_type = batch.source.device.type
    with torch.autocast(device_type, torch.bfloat16, enabled=bf16):
        loss: Tensor = model(batch.source, batch.target_input, batch.positions, batch.words)
    (loss / batch_size).backward()
    return loss.detach()


@torch.no_grad()
def clip(parameters: Iterable[Parameter], largest: float) -> Tensor:
    """Scale the gradient g of all parameters together to 5 g / s where its norm s > 5 (§3.4).

    Returns:
        The norm s before scaling, a scalar.
    """
    values = [gradient_values(each) for each in parameters if each.grad is not None]
    norm: Tensor = torch.linalg.vector_norm(
        torch.stack([torch.linalg.vector_norm(g) for g in values])
    )
    if largest > 0:
        scale = largest / norm.clamp(min=largest)
        for each in values:
            each.mul_(scale)
    return norm


def gradient_values(parameter: Parameter) -> Tensor:
    """The numbers of a gradient: all of a dense one, the touched rows of a sparse one."""
    assert parameter.grad is not None
    if not parameter.grad.is_sparse:
        return parameter.grad
    # A word that stands twice in the batch has two rows; the norm is that of their sum.
    parameter.grad = parameter.grad.coalesce()
    values: Tensor = parameter.grad.values()
    return values
