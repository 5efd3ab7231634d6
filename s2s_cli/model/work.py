"""Arithmetic that a model needs, and the rate at which the machine can do it."""

import time
from collections.abc import Callable, Sequence
from functools import cache, partial
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
# A GPU needs larger ones to have work for all of its processors, and for longer than a launch
# takes; the last is a block of the paper's softmax.
GPU_TRIED = ((4096, 8192, 4096), (8192, 8192, 8192), (3328, 80000, 1000))
SECONDS_A_TRIAL = 0.15
# Runs on a GPU follow one another without a wait, as in training: so many, or fewer that take so
# many seconds.
MOST_RUNS = 50
SECONDS_A_ROW = 0.02


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
    for rows, outputs, inputs in TRIED if device.type == "cpu" else GPU_TRIED:
        weight = torch.randn(outputs, inputs, device=device)
        block = torch.randn(rows, inputs, device=device)
        for product in products_of(weight, block, dtype):
            best = max(best, 2 * rows * outputs * inputs / fastest(product, device))
    return best


def products_of(weight: Tensor, block: Tensor, dtype: torch.dtype) -> list[Callable[[], Tensor]]:
    """The products of type ``dtype`` of ``block`` and ``weight`` that are there."""
    if dtype == torch.int8:
        return [partial(int8.Int8Linear(weight).product, block.round())]
    weight, block = weight.to(dtype), block.to(dtype)
    return [partial(F.linear, block, weight), partial(PrepackedLinear(weight), block)]


def fastest(product: Callable[[], Tensor], device: torch.device, runs: int = 1) -> float:
    """Seconds of the fastest of several runs, ``runs`` at least.

    On a GPU, of the fastest of several rows of runs, the mean.
    """
    best, end = float("inf"), time.perf_counter() + SECONDS_A_TRIAL
    product()
    times = 1
    if has_events(device.type):
        once = event_seconds(product, device, 1)
        times = int(min(MOST_RUNS, max(1.0, SECONDS_A_ROW / max(once, 1e-9))))
    for run in count(1):
        best = min(best, seconds_of(product, device, times))
        if time.perf_counter() > end and run >= runs:
            break
    return best


def seconds_of(product: Callable[[], Tensor], device: torch.device, times: int) -> float:
    """Seconds of each of so many runs: by the device's clock, if it has one that torch reads."""
    if has_events(device.type):
        return event_seconds(product, device, times)
    synchronise(device)
    begin = time.perf_counter()
    for _ in range(times):
        product()
    synchronise(device)
    return (time.perf_counter() - begin) / times


def event_seconds(product: Callable[[], Tensor], device: torch.device, times: int) -> float:
    """Seconds of each of so many runs between two events on the GPU.

    Neither the way there nor the wait for the end counts, as between two readings of the host's
    clock.
    """
    stream = torch.cuda.current_stream(device)
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    first.record(stream)
    for _ in range(times):
        product()
    last.record(stream)
    last.synchronize()
    milliseconds: float = first.elapsed_time(last)
    return milliseconds / 1e3 / times


@cache
def has_events(device_type: str) -> bool:
    """Return whether torch can time a device of this type by events: tried."""
    if device_type != "cuda":
        return False
    try:
        torch.cuda.Event(enable_timing=True)
    except RuntimeError:
        return False
    return True


def synchronise(device: torch.device) -> None:
    """Wait until what was begun on a GPU is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def share_of_peak(
    operations: float, seconds: float, devices: Sequence[torch.device], precision: Precision
) -> str:
    """``N GFLOP/s, P % of this machine's GEMM peak (X GFLOP/s)``; measures the peak.

    Where several devices shared the operations, of each; that of the first is measured. The peak is
    at least what was reached.
    """
    count = len(set(devices))
    choose_tensor_cores(devices[0], precision)
    rate = operations / count / max(seconds, 1e-9)
    peak = max(rate, gemm_peak(devices[0], product_dtype(precision)), 1e-9)
    each = f"on each of {count} devices " if count > 1 else ""
    return (
        f"{each}{rate / 1e9:,.0f} GFLOP/s, {rate / peak:.0%} of this machine's GEMM peak "
        f"({peak / 1e9:,.0f} GFLOP/s)"
    )
