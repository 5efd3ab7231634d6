"""The blockwise loss against the plain one, and how much of the logits ever exists."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from s2s_cli.model import libraries, products, softmax
from s2s_cli.model.softmax import block_rows, negative_log_likelihood


class LargestTensor(TorchDispatchMode):
    """Notes the number of elements of the largest tensor that any operation returns."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        sizes = [each.numel() for each in tree_leaves(result) if isinstance(each, Tensor)]
        self.elements = max(self.elements, *sizes, 0)
        return result


def operands(rows: int, cells: int, vocabulary: int, dtype: torch.dtype) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [
        torch.randn(*size, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()
        for size in ((rows, cells), (vocabulary, cells), (vocabulary,))
    ]


@pytest.mark.parametrize("rows", [1, 15, 16, 17, 50])
def test_loss_and_gradients_equal_cross_entropy(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(softmax, "BLOCK_ELEMENTS", 16 * 23)
    monkeypatch.setattr(softmax, "FEWEST_ROWS", 16)
    hidden, weight, bias = operands(rows, 7, 23, torch.float64)
    words = torch.randint(0, 23, (rows,), generator=torch.Generator().manual_seed(4))
    loss = negative_log_likelihood(hidden, weight, bias, words)
    gradients = torch.autograd.grad(loss / 128, (hidden, weight, bias))
    plain = F.cross_entropy(F.linear(hidden, weight, bias), words, reduction="sum")
    expected = torch.autograd.grad(plain / 128, (hidden, weight, bias))
    assert float(loss.detach()) == pytest.approx(float(plain.detach()), rel=1e-12)
    torch.testing.assert_close(gradients, expected, rtol=1e-10, atol=1e-12)


def test_bf16_rounds_the_products_only() -> None:
    hidden, weight, bias = operands(40, 64, 300, torch.float32)
    words = torch.arange(40)
    exact = negative_log_likelihood(hidden, weight, bias, words)
    low = negative_log_likelihood(hidden.bfloat16(), weight, bias, words)
    of_weight = torch.autograd.grad(low, weight)[0]
    assert low.dtype == of_weight.dtype == torch.float32
    assert float(low.detach()) == pytest.approx(float(exact.detach()), rel=1e-2)
    reference = torch.autograd.grad(exact, weight)[0]
    assert float((of_weight - reference).norm() / reference.norm()) < 2e-2


def test_extreme_logits_stay_finite() -> None:
    hidden = torch.tensor([[1e4], [-1e4]], requires_grad=True)
    weight, bias = torch.tensor([[1.0], [-1.0]]), torch.zeros(2)
    loss = negative_log_likelihood(hidden, weight, bias, torch.tensor([0, 0]))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(2e4)
    assert hidden.grad is not None
    assert hidden.grad.flatten().tolist() == pytest.approx([0.0, -2.0])


def test_all_logits_never_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(softmax, "BLOCK_ELEMENTS", 32 * 1000)
    monkeypatch.setattr(softmax, "FEWEST_ROWS", 16)
    hidden, weight, bias = operands(640, 8, 1000, torch.float32)
    with LargestTensor() as largest:
        negative_log_likelihood(hidden, weight, bias, torch.arange(640)).backward()
    assert block_rows(1000, "cpu") == 32
    assert largest.elements == 32 * 1000


def test_the_paper_s_softmax_takes_blocks_of_a_few_hundred_rows() -> None:
    assert block_rows(80_000, "cpu") == 256
    assert block_rows(80_000, "cuda") == 3355


def test_without_gradients_none_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A validation would otherwise do the work of a training."""
    hidden, weight, bias = operands(5, 7, 23, torch.float64)
    words = torch.arange(5)
    expected = float(negative_log_likelihood(hidden, weight, bias, words).detach())

    def accumulate(*arguments: Any) -> None:
        raise AssertionError("a gradient is computed")

    monkeypatch.setattr(softmax, "accumulate", accumulate)
    with torch.no_grad():
        assert float(negative_log_likelihood(hidden, weight, bias, words)) == expected


def test_results_of_bf16_products_are_not_rounded_where_torch_widens_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on a GPU, whose product of this kind is put in place here."""
    plain = torch.mm

    def mm(one: Tensor, other: Tensor, out_dtype: torch.dtype) -> Tensor:
        return plain(one.to(out_dtype), other.to(out_dtype))

    monkeypatch.setattr(torch, "mm", mm)
    monkeypatch.setattr(products, "packs", lambda dtype, device_type: False)
    for each in (products, libraries):
        monkeypatch.setattr(each, "widens", lambda dtype, device_type: dtype == torch.bfloat16)
    hidden, weight, bias = operands(40, 64, 300, torch.float32)
    words = torch.arange(40)
    loss = negative_log_likelihood(hidden.bfloat16(), weight, bias, words)
    of_weight = torch.autograd.grad(loss, weight)[0]
    rows, rounded = (each.detach().bfloat16().double() for each in (hidden, weight))
    logits = F.linear(rows, rounded, bias.detach().double())
    expected = F.cross_entropy(logits, words, reduction="sum")
    assert float(loss.detach()) == pytest.approx(float(expected), rel=1e-6)
    # The gradient of a logit is rounded, the sum of its products is not.
    delta = (logits.softmax(1) - F.one_hot(words, 300)).bfloat16().double()
    torch.testing.assert_close(of_weight.double(), delta.T @ rows, rtol=1e-2, atol=1e-5)


def test_a_cpu_has_no_widened_products() -> None:
    assert not products.widens(torch.bfloat16, "cpu")
