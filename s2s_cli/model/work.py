"""Arithmetic that a model needs, and the rate at which the machine can do it."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count

import torch
import torch.nn.functional as F
from torch import Tensor

from s2s_cli.model import int8
from s2s_cli.model.config import Precision, Shape, cell_kind
from s2s_cli.model.precision import choose_tensor_cores, product_dtype
from s2s_cli.model.products import PrepackedLinear

# Rows, outputs and inputs of the products that are tried: layers of the paper's and of a small
# model, and a piece of a softmax.
TRIED = ((512, 4000, 2000), (512, 2048, 1024), (1024, 4096, 1024))
SECONDS_A_TRIAL = 0.15


def lstm_flops(shape: Shape, words: int) -> int:
    """Floating-point operations of encoder or decoder for ``words``, two a multiply-add.

    Products of weights alone are counted. Twice as many come on top where gradients are computed.
    """
    return layers_flops(4, shape.embedding_size, shape.hidden_size, shape.layers, words)


def layers_flops(gates: int, inputs: int, cells: int, layers: int, words: int) -> int:
    """The same of layers with so many gates a cell, the first of which reads ``inputs`` numbers."""
    return 2 * words * gates * cells * (inputs + (2 * layers - 1) * cells)


def encoder_flops(shape: Shape, words: int) -> int:
    """Floating-point operations of the encoder for ``words`` of sources."""
    gates = len(cell_kind(shape.cell).gates)
    return shape.directions * layers_flops(
        gates, shape.embedding_size, shape.hidden_size, shape.layers, words
    )


def decoder_flops(shape: Shape, words: int) -> int:
    """Floating-point operations of the decoder for ``words``; of attention, `combine` alone.

    What else attention takes grows with the length of the source.
    """
    gates = len(cell_kind(shape.cell).gates)
    flops = layers_flops(gates, shape.input_size, shape.width, shape.depth, words)
    if shape.attention != "none":
        flops += 2 * words * shape.width * (shape.width + shape.vector_size)
    return flops


def softmax_flops(shape: Shape, words: int) -> int:
    """Floating-point operations of the output layer for ``words``, counted likewise."""
    return 2 * words * shape.output_size * shape.target_vocabulary


@torch.inference_mode()
def gemm_peak(device: torch.device, dtype: torch.dtype) -> float:
    """The most operations a second of a matrix product here, plain or packed; of int8, of integers.

    Takes about a second.
    """
    best = 0.0
    for rows, outputs, inputs in TRIED:
        weight, block = torch.randn(outputs, inputs), torch.randn(rows, inputs)
        for product in products_of(weight.to(device), block.to(device), dtype):
            best = max(best, 2 * rows * outputs * inputs / fastest(product, device))
    return best


def products_of(weight: Tensor, block: Tensor, dtype: torch.dtype) -> list[Callable[[], Tensor]]:
    """The products of type ``dtype`` of ``block`` and ``weight`` that are there."""
    if dtype == torch.int8:
        return [partial(int8.Int8Linear(weight).product, block.round())]
    weight, block = weight.to(dtype), block.to(dtype)
    return [partial(F.linear, block, weight), partial(PrepackedLinear(weight), block)]


def fastest(product: Callable[[], Tensor], device: torch.device, runs: int = 1) -> float:
    """Seconds of the fastest of several runs, ``runs`` at least."""
    best, end = float("inf"), time.perf_counter() + SECONDS_A_TRIAL
    product()
    for run in count(1):
        synchronise(device)
        begin = time.perf_counter()
        product()
        synchronise(device)
        now = time.perf_counter()
        best = min(best, now - begin)
        if now > end and run >= runs:
            break
    return best


def synchronise(device: torch.device) -> None:
    """Wait until what was begun on a GPU is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def share_of_peak(
    operations: float, seconds: float, devices: Sequence[torch.device], precision: Precision
) -> str:
    """``N GFLOP/s, P % of this machine's GEMM peak (X GFLOP/s)``; measures the peak.

    Where several devices shared the operations, of each; that of the first is measured.
    """
    count = len(set(devices))
    choose_tensor_cores(devices[0], precision)
    rate, peak = (
        operations / count / max(seconds, 1e-9),
        gemm_peak(devices[0], product_dtype(precision)),
    )
    each = f"on each of {count} devices " if count > 1 else ""
    return (
        f"{each}{rate / 1e9:,.0f} GFLOP/s, {rate / peak:.0%} of this machine's GEMM peak "
        f"({peak / 1e9:,.0f} GFLOP/s)"
    )
