"""Products of matrices that are new in every update, by the library that is faster here.

Torch carries two libraries: its own choice (MKL on x86-64), and oneDNN. MKL does not use AVX-512 on
processors of AMD, where oneDNN then takes less than half of its time; with AVX2 MKL is the faster.
So the library is found out: each is timed once in a process for a type and a class of shapes.
`products` has those whose weights stay the same for many products. Between the two are the weights
that an update uses for a few large products (`linear`).
"""

import time
from functools import cache
from typing import Any, Literal, assert_never, get_args

import torch
from torch import Tensor

from s2s_cli.console import warn
from s2s_cli.model.products import PrepackedLinear, packs, widens

Library = Literal["torch", "onednn"]
LIBRARIES: tuple[Library, ...] = get_args(Library)
# oneDNN is taken where it is so much faster. Sums are added up in another order by each library, so
# a choice between equals, which chance decides, would change the last bits from run to run.
MUCH_FASTER = 1.3
# Multiply-adds below which a product is torch's, untimed; and the largest side that is timed.
SMALL_PRODUCT = 1 << 21
LARGEST_SIDE = 512
RUNS = 4
# Rows of a sum that are added at a time, in elements: what was just computed is still in a cache.
PART_ELEMENTS = 1 << 20
# Weights with fewer elements are laid out in no time, and both libraries take as long.
SMALL_WEIGHT = 1 << 17
# What this process has found out; and what its training had, before it was resumed.
found_out: dict[str, Library] = {}
found_before: dict[str, Library] = {}


def matrix_product(one: Tensor, other: Tensor) -> Tensor:
    """``one`` [m, k] · ``other`` [k, n]: [m, n], by the library for their shapes."""
    return multiply_by(library_for(one, other), one, other)


def multiply_by(library: Library, one: Tensor, other: Tensor) -> Tensor:
    """``one`` [m, k] · ``other`` [k, n]: [m, n]."""
    match library:
        case "torch":
            return one @ other
        case "onednn":
            product: Tensor = torch.ops.mkldnn._linear_pointwise(one, other.T, None, "none", [], "")
            return product
        case _:
            assert_never(library)


def linear(weight: Tensor, bias: Tensor | None = None) -> PrepackedLinear:
    """``rows · weightᵀ + bias`` for a few products of many rows each.

    oneDNN needs ``weight`` [n, k] laid out first, which takes as long as a product of 100 rows; MKL
    does not. What is taken follows from the processor alone, so every run takes the same.
    """
    if weight.device.type == "cpu" and mkl_suits(weight.dtype) and weight.numel() >= SMALL_WEIGHT:
        return PrepackedLinear(weight, bias, plain=True)
    return PrepackedLinear(weight, bias)


@cache
def mkl_suits(dtype: torch.dtype) -> bool:
    """Return whether MKL is as fast as oneDNN: its vectors are as wide as the processor's."""
    avx2 = torch.backends.cpu.get_cpu_capability() == "AVX2"
    return avx2 and dtype == torch.float32 and torch.backends.mkl.is_available()


def add_product(total: Tensor, one: Tensor, other: Tensor, *, first: bool) -> None:
    """Add ``one`` [m, k] · ``other`` [k, n] to ``total`` [m, n], or replace what is there by it."""
    if widens(one.dtype, one.device.type) and total.dtype == torch.float32:
        product = torch.mm(one, other, out_dtype=total.dtype)
        _ = total.copy_(product) if first else total.add_(product)
        return
    library = library_for(one, other)
    if library == "torch" and total.dtype == one.dtype:
        total.addmm_(one, other, beta=0 if first else 1)
        return
    rows = max(1, PART_ELEMENTS // total.shape[1]) if total.device.type == "cpu" else len(total)
    for part, of_part in zip(total.split(rows), one.split(rows), strict=True):
        product = multiply_by(library, of_part, other)
        if first:
            part.copy_(product)
        else:  # converted first: a sum of two types takes ten times as long
            part += product.to(total.dtype)


def library_for(one: Tensor, other: Tensor) -> Library:
    """The library that multiplies ``one`` [m, k] by ``other`` [k, n]."""
    (m, k), n = one.shape, other.shape[1]
    if m * k * n < SMALL_PRODUCT or not packs(one.dtype, one.device.type):
        return "torch"
    return faster_library(one.dtype, side(m), side(k), side(n), transposed=not one.is_contiguous())


def side(size: int) -> int:
    """The power of two that stands for sides of ``size``."""
    return min(LARGEST_SIDE, 1 << (size.bit_length() - 1))


def faster_library(dtype: torch.dtype, m: int, k: int, n: int, *, transposed: bool) -> Library:
    """The library for a class of shapes: that of the training so far, or else the faster one."""
    name = f"{str(dtype).removeprefix('torch.')} {m}x{k}x{n}{' transposed' * transposed}"
    if name not in found_out:
        here = timed_library(dtype, m, k, n, transposed=transposed)
        found_out[name] = found_before.get(name, here)
        if found_out[name] != here:
            warn(
                f"products of matrices ({name}) go on with {found_out[name]}, as before this "
                f"training was resumed, for the same bits; here {here} is faster"
            )
    return found_out[name]


def found_libraries() -> dict[str, Any]:
    """The libraries found out, for a checkpoint: its ``products``, or nothing."""
    libraries = {**found_before, **found_out}
    if not libraries:
        return {}
    processor = torch.backends.cpu.get_cpu_capability()
    return {"products": {"processor": processor, "libraries": libraries}}


def go_on_with(saved: object) -> None:
    """Take the libraries that a training had found out, so that its sums keep their order.

    On another kind of processor they are found out anew, which a message says.

    Args:
        saved: the ``products`` of a checkpoint.

    Raises:
        ValueError: not what `found_libraries` returns.
    """
    match saved:
        case {"processor": str(processor), "libraries": dict(libraries)}:
            if not all(isinstance(name, str) for name in libraries):
                raise ValueError("classes of shapes without a name")
            if not all(each in LIBRARIES for each in libraries.values()):
                raise ValueError("no library of products")
        case _:
            raise ValueError("no choices of libraries")
    here = torch.backends.cpu.get_cpu_capability()
    if processor == here:
        found_before.update(libraries)
        found_out.update((name, libraries[name]) for name in found_out.keys() & libraries.keys())
    else:
        warn(
            f"this training ran on a processor with {processor} so far, and goes on with {here}: "
            "sums may differ in their last bits from those of one that never stopped"
        )


def timed_library(dtype: torch.dtype, m: int, k: int, n: int, *, transposed: bool) -> Library:
    """Time each library on one thread, in seconds of the processor, which other work leaves alone.

    Args:
        dtype: of the factors.
        m: rows of the first factor and of the product.
        k: rows of the second factor.
        n: columns of the product.
        transposed: the first factor is the transpose of what lies in memory.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            one = torch.ones(k, m, dtype=dtype).T if transposed else torch.ones(m, k, dtype=dtype)
            other = torch.ones(k, n, dtype=dtype)
            times = {each: thread_seconds(each, one, other) for each in LIBRARIES}
    finally:
        torch.set_num_threads(threads)
    return "onednn" if times["torch"] > MUCH_FASTER * times["onednn"] else "torch"


def thread_seconds(library: Library, one: Tensor, other: Tensor) -> float:
    """Seconds that a thread of the processor needs for a product; the fastest of `RUNS`."""
    multiply_by(library, one, other)
    best = float("inf")
    for _ in range(RUNS):
        start = time.thread_time()
        multiply_by(library, one, other)
        best = min(best, time.thread_time() - start)
    return best
