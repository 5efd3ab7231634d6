"""Tests see no GPU, unless they start a process that does."""

import torch
from conftest import Run

SEEN = "import torch; print(torch.cuda.is_available(), torch.cuda.is_initialized())"


def test_tests_and_what_they_fork_see_no_gpu(s2s: Run) -> None:
    """`auto` is the CPU for them; and what is forked cannot use CUDA that was begun before."""
    assert not torch.cuda.is_available()
    assert s2s("-c", SEEN).stdout == b"False False\n"
