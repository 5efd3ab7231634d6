"""Work side by side in threads: each result at its place, and an end for all when one fails."""

import threading
from collections.abc import Iterator

import pytest
import torch

from s2s_cli.inference.threads import Abandoned, GoOn, in_threads

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def four_threads() -> Iterator[None]:
    usual = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(usual)


@pytest.mark.parametrize(("items", "workers", "each"), [(9, 4, 1), (2, 2, 2), (1, 1, 4), (0, 0, 4)])
def test_threads_share_the_items_and_the_cores(items: int, workers: int, each: int) -> None:
    together = threading.Barrier(workers, timeout=60) if items == workers > 1 else None

    def square(item: int, go_on: GoOn) -> tuple[int, int, int]:
        go_on()
        if together:
            together.wait()
        return item * item, torch.get_num_threads(), threading.get_ident()

    found = in_threads(square, range(items), CPU)
    assert [square for square, _, _ in found] == [item * item for item in range(items)]
    assert {threads for _, threads, _ in found} <= {each}
    if items > 1:
        assert threading.get_ident() not in {ident for _, _, ident in found}
    assert torch.get_num_threads() == 4
    assert threading.active_count() == 1 or not [
        thread for thread in threading.enumerate() if "(work)" in thread.name
    ]


def test_a_gpu_is_left_to_one_thread() -> None:
    here = threading.get_ident()
    found = in_threads(lambda _, __: threading.get_ident(), range(3), torch.device("cuda"))
    assert found == [here] * 3


def test_an_error_is_raised_and_what_is_begun_is_abandoned() -> None:
    begun, ended = threading.Event(), list[str]()

    def work(item: int, go_on: GoOn) -> None:
        if item == 0:
            assert begun.wait(60)
            raise ValueError("first")
        begun.set()
        try:
            while True:
                go_on()
        except Abandoned:
            ended.append("abandoned")
            raise

    with pytest.raises(ValueError, match="first"):
        in_threads(work, range(2), CPU)
    assert ended == ["abandoned"]
    assert torch.get_num_threads() == 4
