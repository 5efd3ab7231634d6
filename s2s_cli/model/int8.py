"""Matrix products of 8-bit integers: weights quantised once, rows when they come, exact sums.

A weight matrix has a scale for each of its rows, that is for each result, and every row that is
multiplied has one of its own: its largest number becomes `INPUT_LEVELS`, that of a row of weights
`WEIGHT_LEVELS` (symmetric quantisation, as in Wu et al. 2016, arXiv:1609.08144, §6). What lies
between is rounded to integers, whose products are added up as integers: exactly, so in any order,
by any library, and in any company with the same result.

Which library is fast depends on the processor. All of `INT8_LIBRARIES` give the same numbers, so
the choice, by a measurement, changes no bit.
"""

import time
import warnings
from collections.abc import Callable
from functools import cache, partial
from typing import Any, Literal, assert_never, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

Int8Library = Literal["fbgemm", "onednn", "int_mm", "floats"]
INT8_LIBRARIES: tuple[Int8Library, ...] = get_args(Int8Library)

WEIGHT_LEVELS = 127
# 7 bits: x86 processors without VNNI add up two products in 16 bits, where 2 · 127 · 127 fits, and
# 2 · 255 · 127 does not. Others do the same, so that a translation is that of any processor.
INPUT_LEVELS = 63
# What a row of zeros is divided by.
SMALLEST_DIVISOR = 1e-30
# Sums of so many products are exact in fp32.
EXACT_TERMS = (1 << 24) // (WEIGHT_LEVELS * INPUT_LEVELS)
# Sides of the products with which libraries are tried and timed: rows, terms, results.
TRIED_SIDES = ((1, 3, 5), (16, 67, 35), (3, 2 * EXACT_TERMS + 10, 33))
TIMED_SIDES = (64, 512, 512)
TIMED_RUNS = 3

# From integers in fp32, [rows, k], to their products with the weights, each times the scale of its
# weights: [rows, n] in fp32.
ScaledProduct = Callable[[Tensor], Tensor]


class Int8Linear:
    """``rows · weightᵀ + bias`` of 8-bit integers, with the interface of `PrepackedLinear`.

    Attributes:
        size: n.
        bias: [n] or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        """Quantise ``weight`` [n, k]."""
        self.size, self.bias = len(weight), bias
        integers, scales = quantise(weight.float(), WEIGHT_LEVELS)
        self.product = scaled_product(fastest_library(), integers.to(torch.int8), scales[:, 0])

    def __call__(self, rows: Tensor) -> Tensor:
        """``rows`` [rows, k] · weightᵀ + bias: [rows, n]."""
        return self.plus(rows, self.bias)

    def plus(self, rows: Tensor, bias: Tensor | None) -> Tensor:
        """``rows`` · weightᵀ + ``bias``, in the type of ``rows``."""
        if not len(rows):
            return rows.new_empty(0, self.size)
        integers, scales = quantise(rows, INPUT_LEVELS)
        # In one operation these would be rounded once in some places, and twice in others.
        result = self.product(integers.float()).to(rows.dtype).mul_(scales)
        return result if bias is None else result.add_(bias)

    def exponentials(self, rows: Tensor, offset: float) -> Tensor:
        """exp(``rows`` · weightᵀ + bias - ``offset``), [rows, n]."""
        assert self.bias is not None
        return self.plus(rows, self.bias - offset).exp_()


def quantise(rows: Tensor, levels: int) -> tuple[Tensor, Tensor]:
    """Integers from -``levels`` to ``levels``, and what they are multiplied with to be the numbers.

    Returns:
        [rows, n] of the type of ``rows``, and scales [rows, 1].
    """
    largest = rows.abs().amax(1, keepdim=True).clamp_(min=SMALLEST_DIVISOR)
    return (rows * (levels / largest)).round_(), largest / levels


def scaled_product(library: Int8Library, weight: Tensor, scales: Tensor) -> ScaledProduct:
    """The product with ``weight`` [n, k] of int8 and ``scales`` [n] by ``library``.

    Raises:
        AttributeError, NotImplementedError, RuntimeError: torch or the processor does not have it;
            also by the product.
    """
    match library:
        case "fbgemm":
            return fbgemm_product(weight, scales)
        case "onednn":
            packed = torch.ops.onednn.qlinear_prepack(weight, None)
            zeros = torch.zeros(len(weight), dtype=torch.int32)
            product, full = torch.ops.onednn.qlinear_pointwise, torch.float32
            after: tuple[Any, ...] = None, 1.0, 0, full, "none", [], ""
            return lambda rows: product(rows.to(torch.int8), 1.0, 0, packed, scales, zeros, *after)
        case "int_mm":
            across = weight.T.contiguous()
            return lambda rows: torch._int_mm(rows.to(torch.int8), across).float().mul_(scales)
        case "floats":
            return partial(product_of_floats, weight=weight.float(), scales=scales)
        case _:
            assert_never(library)


def fbgemm_product(weight: Tensor, scales: Tensor) -> ScaledProduct:
    """The product of `scaled_product` by FBGEMM, which wants a quantised tensor of torch."""
    zeros = torch.zeros(len(weight), dtype=torch.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch will have no such tensors one day
        quantised = torch._make_per_channel_quantized_tensor(weight, scales.double(), zeros, 0)
        packed = torch.ops.quantized.linear_prepack(quantised, None)
    # It rounds its input to unsigned integers; those of the rows are between -63 and 63 already.
    product = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32
    return lambda rows: product(rows, 1.0, INPUT_LEVELS + 1, packed)


def product_of_floats(rows: Tensor, weight: Tensor, scales: Tensor) -> Tensor:
    """The product of `scaled_product` by fp32 products, so few terms at a time that it is exact."""
    if weight.shape[1] <= EXACT_TERMS:
        return F.linear(rows, weight).mul_(scales)
    parts = zip(rows.split(EXACT_TERMS, 1), weight.split(EXACT_TERMS, 1), strict=True)
    total = torch.zeros(len(rows), len(weight), dtype=torch.float64)
    for part, of_weight in parts:
        total += F.linear(part, of_weight)
    return total.float().mul_(scales)


@cache
def is_exact(library: Int8Library) -> bool:
    """Try whether ``library`` is there and adds up exactly, the largest numbers, too."""
    generator = torch.Generator().manual_seed(0)
    for count, terms, results in TRIED_SIDES:
        size = (results, terms)
        drawn = torch.randint(-WEIGHT_LEVELS, WEIGHT_LEVELS + 1, size, generator=generator)
        scales = torch.rand(results, generator=generator)
        rows = torch.randint(-INPUT_LEVELS, INPUT_LEVELS + 1, (count, terms), generator=generator)
        rows[0] = INPUT_LEVELS
        drawn[0], drawn[1] = WEIGHT_LEVELS, -WEIGHT_LEVELS
        exact = (rows.double() @ drawn.double().T).float() * scales
        try:
            found = scaled_product(library, drawn.to(torch.int8), scales)(rows.float())
        except (AttributeError, NotImplementedError, RuntimeError):
            return False
        if not torch.equal(found, exact):
            return False
    return True


@cache
def fastest_library() -> Int8Library:
    """The library whose product takes a thread of this processor the least time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            return min(filter(is_exact, INT8_LIBRARIES), key=thread_seconds_of)
    finally:
        torch.set_num_threads(threads)


def thread_seconds_of(library: Int8Library) -> float:
    """Seconds of a product; the fastest of `TIMED_RUNS`."""
    count, terms, results = TIMED_SIDES
    weight, rows = torch.ones(results, terms, dtype=torch.int8), torch.ones(count, terms)
    product = scaled_product(library, weight, torch.ones(results))
    best = float("inf")
    for _ in range(TIMED_RUNS):
        start = time.thread_time()
        product(rows)
        best = min(best, time.thread_time() - start)
    return best
