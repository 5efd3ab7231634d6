"""Optimisers step as torch's do, bit for bit, without its classes."""

import copy
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import Parameter

from s2s_cli.training.optimisers import Adam, LazyAdam, Sgd

ROWS, SIZE = 7, 5
Make = Callable[[list[Parameter]], Any]


def dense(update: int) -> Tensor:
    return torch.randn(ROWS, SIZE, generator=torch.Generator().manual_seed(update))


def sparse(update: int) -> Tensor:
    """Rows 1 (twice), 4 and one more."""
    rows = torch.tensor([[1, 4, update % ROWS, 1]])
    return torch.sparse_coo_tensor(rows, dense(update)[:4], (ROWS, SIZE), check_invariants=True)


@pytest.mark.parametrize(
    ("own", "torch_s", "gradient"),
    [
        (Sgd, lambda p: torch.optim.SGD(p, lr=0.3), dense),
        (Sgd, lambda p: torch.optim.SGD(p, lr=0.3), sparse),
        (Adam, lambda p: torch.optim.Adam(p, lr=0.3, fused=True), dense),
        (LazyAdam, lambda p: torch.optim.SparseAdam(p, lr=0.3), sparse),
    ],
)
def test_steps_and_states_are_torch_s(
    own: Make, torch_s: Make, gradient: Callable[[int], Tensor]
) -> None:
    parameters = [Parameter(dense(100)), Parameter(dense(101))]
    copies = copy.deepcopy(parameters)
    ours, theirs = own(parameters), torch_s(copies)
    for update in range(5):
        for one, other in zip(parameters, copies, strict=True):
            one.grad, other.grad = gradient(update), gradient(update)
        with torch.no_grad():
            ours.step(0.3)
        theirs.step()
        for one, other in zip(parameters, copies, strict=True):
            assert torch.equal(one, other)
    for one, other in zip(parameters, copies, strict=True):
        state, expected = ours.state.get(one, {}), theirs.state[other]
        assert {key for key, value in expected.items() if value is not None} == set(state)
        assert all(torch.equal(*map(torch.as_tensor, (state[key], expected[key]))) for key in state)


def test_a_parameter_without_gradient_stays_and_keeps_nothing() -> None:
    for kind in (Sgd, Adam, LazyAdam):
        parameter = Parameter(dense(1))
        optimiser = kind([parameter])
        optimiser.step(0.3)
        assert torch.equal(parameter, dense(1))
        assert not optimiser.state


def test_no_compiler_is_imported() -> None:
    """Torch's own optimisers import it, which takes as long as to import torch."""
    script = """
import sys, torch
from s2s_cli.model.config import Shape
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.training.optimisers import Optimisers
model = Seq2Seq(Shape(layers=1, hidden_size=2, embedding_size=2, source_vocabulary=4,
                      target_vocabulary=4))
for kind in ("sgd", "adam"):
    optimisers = Optimisers.of(kind, model)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter).to_sparse(1) if any(
            parameter is each for each in model.tables()) else torch.ones_like(parameter)
    with torch.no_grad():
        for each in optimisers.each:
            each.step(0.1)
sys.exit(any(name.startswith("torch._dynamo") for name in sys.modules))
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
