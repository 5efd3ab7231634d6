"""Batches in parts where memory runs out, as few as fit; what fitted is remembered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

from s2s_cli.console import warn
from s2s_cli.errors import is_out_of_memory

Single = TypeVar("Single")
Computed = TypeVar("Computed")


# What cuBLAS and cuDNN may say, too, where they have no memory for a handle or for their work. It
# may also be that they cannot work at all, so it is not reported as lack of memory.
PERHAPS_OUT_OF_MEMORY = (
    "CUBLAS_STATUS_NOT_INITIALIZED",
    "CUDNN_STATUS_NOT_INITIALIZED",
    "CUDNN_STATUS_INTERNAL_ERROR",
)


@dataclass
class BatchParts:
    """The parts that batches of one kind are computed in.

    An attempt that runs out of memory costs up to a whole computation, so what it has shown holds
    for all later batches: no part is larger than the one that fitted.

    Attributes:
        what: the batches, for the warning.
        limit: size of the largest part that fitted after a larger one had not; None while all fit.
        warned: the user knows.
    """

    what: str = "batches"
    limit: int | None = None
    warned: bool = False

    def compute(self, sizes: Sequence[int], attempt: Callable[[int], Computed]) -> Computed:
        """Compute a batch in as few parts as memory holds.

        Args:
            sizes: of the items of the batch, in a unit in which the memory that they take grows.
            attempt: computes the batch in so many parts, from the start. Part i has the items
                ``[i::parts]``; or others, if all sizes are equal and the parts as even.

        Raises:
            RuntimeError, MemoryError: a single item is too large; all that ``attempt`` raises.
        """
        parts, failed = self.fewest(sizes), False
        while True:
            try:
                result = attempt(parts)
            except (RuntimeError, MemoryError) as error:
                if parts >= len(sizes) or not may_be_out_of_memory(error):
                    raise
            else:
                if failed:
                    self.limit = largest_part(sizes, parts)
                    self.warn_once()
                return result
            # Outside the handler: the error holds on to all that the attempt has allocated.
            torch.cuda.empty_cache()  # for the libraries that allocate beside torch
            parts, failed = min(2 * parts, len(sizes)), True

    def compute_each(
        self, items: Sequence[Single], compute: Callable[[Sequence[Single]], Sequence[Computed]]
    ) -> list[Computed]:
        """Compute results of ``items``, which do not depend on what is computed together.

        Parts are neighbours of each other.
        """

        def attempt(parts: int) -> list[Computed]:
            size = -(-len(items) // parts)
            starts = range(0, len(items), size)
            return [one for start in starts for one in compute(items[start : start + size])]

        return self.compute([1] * len(items), attempt) if items else []

    def fewest(self, sizes: Sequence[int]) -> int:
        """The smallest number of parts of which none is larger than the limit."""
        if self.limit is None:
            return 1
        parts = max(1, min(len(sizes), -(-sum(sizes) // self.limit)))
        while parts < len(sizes) and largest_part(sizes, parts) > self.limit:
            parts += 1
        return parts

    def warn_once(self) -> None:
        if not self.warned:
            warn(
                f"memory does not hold the largest {self.what}: they are computed in parts, with "
                "the same results"
            )
        self.warned = True


def may_be_out_of_memory(error: Exception) -> bool:
    """Check for lack of memory, also for errors that may have other causes."""
    return is_out_of_memory(error) or any(each in str(error) for each in PERHAPS_OUT_OF_MEMORY)


def largest_part(sizes: Sequence[int], parts: int) -> int:
    """Size of the largest of ``parts`` parts, whose items are taken at intervals."""
    return max(sum(sizes[part::parts]) for part in range(parts))
