"""Products by each library: the same numbers, and the choice between the two."""

from collections import Counter

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_sequence

from s2s_cli.model import libraries
from s2s_cli.model.libraries import LIBRARIES, Library
from s2s_cli.model.lstm import Lstm
from s2s_cli.model.products import PrepackedLinear, packs
from s2s_cli.model.softmax import negative_log_likelihood

TYPES = [(torch.float32, 1e-5), (torch.bfloat16, 0.02)]


def available(library: Library, dtype: torch.dtype) -> bool:
    return library == "torch" or packs(dtype, "cpu")


def factors(m: int, k: int, n: int, dtype: torch.dtype, *, transposed: bool) -> list[Tensor]:
    generator = torch.Generator().manual_seed(m + k + n)
    one = torch.randn((k, m) if transposed else (m, k), generator=generator).to(dtype)
    return [one.T if transposed else one, torch.randn(k, n, generator=generator).to(dtype)]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(("dtype", "near"), TYPES)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 1), (37, 20, 5), (130, 64, 33), (5, 129, 250)])
def test_every_library_gives_the_product(
    shape: tuple[int, int, int],
    transposed: bool,
    dtype: torch.dtype,
    near: float,
    library: Library,
) -> None:
    if not available(library, dtype):
        pytest.skip(f"{library} has no products of {dtype} on this processor")
    one, other = factors(*shape, dtype, transposed=transposed)
    expected = one.double() @ other.double()
    found = libraries.multiply_by(library, one, other)
    assert found.dtype == dtype
    assert float((found.double() - expected).abs().max()) < near * float(expected.abs().max())


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_a_product_is_added_part_by_part(
    dtype: torch.dtype, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not available(library, dtype):
        pytest.skip(f"{library} has no products of {dtype} on this processor")
    monkeypatch.setattr(libraries, "library_for", lambda *_: library)
    monkeypatch.setattr(libraries, "PART_ELEMENTS", 16 * 7)
    one, other = factors(50, 12, 7, dtype, transposed=True)
    total = torch.full((50, 7), float("nan"), dtype=torch.promote_types(dtype, torch.float32))
    expected = one.double() @ other.double()
    for times in (1, 2):
        libraries.add_product(total, one, other, first=times == 1)
        near = 0.05 if dtype == torch.bfloat16 else 1e-5
        torch.testing.assert_close(total.double(), times * expected, rtol=near, atol=near)


def times(monkeypatch: pytest.MonkeyPatch, **seconds: float) -> None:
    """Have the libraries take so long from here on; nothing is known of them."""
    libraries.found_out.clear()
    monkeypatch.setattr(libraries, "thread_seconds", lambda library, *_: seconds[library])


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "found_out", {})
    monkeypatch.setattr(libraries, "found_before", {})


@pytest.mark.parametrize(
    ("onednn", "chosen"), [(0.5, "onednn"), (0.75, "onednn"), (0.8, "torch"), (2.0, "torch")]
)
def test_onednn_is_taken_where_it_is_much_faster(
    onednn: float, chosen: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    times(monkeypatch, torch=1.0, onednn=onednn)
    monkeypatch.setattr(libraries, "packs", lambda *_: True)
    threads = torch.get_num_threads()
    one, other = torch.ones(300, 200).T, torch.ones(300, 100)
    assert libraries.library_for(one, other) == chosen
    assert torch.get_num_threads() == threads


def test_a_class_of_shapes_is_timed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    timed = Counter[Library]()
    monkeypatch.setattr(libraries, "packs", lambda *_: True)
    monkeypatch.setattr(
        libraries, "thread_seconds", lambda library, *_: timed.update([library]) or 1.0
    )
    for rows in (300, 301, 500):
        libraries.library_for(torch.ones(rows, 1000).T, torch.ones(rows, 520))
    assert timed == {"torch": 1, "onednn": 1}
    libraries.library_for(torch.ones(1000, 300), torch.ones(300, 520))  # it lies as it is read
    assert timed == {"torch": 2, "onednn": 2}
    libraries.library_for(torch.ones(20, 100).T, torch.ones(20, 100))  # not worth it
    assert timed == {"torch": 2, "onednn": 2}


def test_what_a_training_has_found_out_holds_when_it_is_resumed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(libraries, "packs", lambda *_: True)
    one, other = torch.ones(300, 200).T, torch.ones(300, 100)
    assert libraries.found_libraries() == {}
    times(monkeypatch, torch=1.0, onednn=0.5)
    assert libraries.library_for(one, other) == "onednn"
    (saved,) = libraries.found_libraries().values()
    times(monkeypatch, torch=1.0, onednn=0.5)
    libraries.go_on_with(saved)
    assert libraries.library_for(one, other) == "onednn"
    assert not capsys.readouterr().err
    times(monkeypatch, torch=0.5, onednn=1.0)
    for _ in range(2):
        assert libraries.library_for(one, other) == "onednn"
    assert capsys.readouterr().err.count("here torch is faster") == 1
    assert libraries.found_libraries() == {"products": saved}


def test_what_the_process_found_out_gives_way_to_what_the_training_had(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(libraries, "packs", lambda *_: True)
    one, other = torch.ones(300, 200).T, torch.ones(300, 100)
    times(monkeypatch, torch=0.5, onednn=1.0)
    assert libraries.library_for(one, other) == "torch"
    (saved,) = libraries.found_libraries().values()
    (name,) = saved["libraries"]
    saved["libraries"] = {name: "onednn"}
    libraries.go_on_with({**saved, "processor": "AVX1"})
    assert "a processor with AVX1 so far" in capsys.readouterr().err
    assert libraries.library_for(one, other) == "torch"
    libraries.go_on_with(saved)
    assert libraries.library_for(one, other) == "onednn"


@pytest.mark.parametrize(
    ("capability", "dtype", "mkl"),
    [
        ("AVX2", torch.float32, True),
        ("AVX512", torch.float32, False),
        ("AVX2", torch.bfloat16, False),
        ("DEFAULT", torch.float32, False),
    ],
)
def test_weights_are_laid_out_for_a_few_products_only_where_mkl_is_slower(
    capability: str, dtype: torch.dtype, mkl: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    laid_out = []

    class Counted(PrepackedLinear):
        def __init__(
            self, weight: Tensor, bias: Tensor | None = None, *, plain: bool = False
        ) -> None:
            if not plain:
                laid_out.append(weight)
            super().__init__(weight, bias, plain=plain)

    monkeypatch.setattr(libraries, "PrepackedLinear", Counted)
    libraries.mkl_suits.cache_clear()
    try:
        for size in (400, 40):
            rows, weight = factors(130, size, size, dtype, transposed=False)
            bias = torch.linspace(-1, 1, size)
            found = libraries.linear(weight.T, bias.to(dtype))(rows)
            exact = rows.double() @ weight.double() + bias
            near = (0.02 if dtype == torch.bfloat16 else 1e-5) * float(exact.abs().max())
            assert float((found.double() - exact).abs().max()) < near
    finally:
        libraries.mkl_suits.cache_clear()
    assert [len(each) for each in laid_out] == ([40] if mkl else [400, 40])


def update(
    monkeypatch: pytest.MonkeyPatch, library: Library
) -> tuple[Counter[Library], list[Tensor]]:
    """Which library multiplied how often in the gradient of two layers and a softmax; that."""
    used = Counter[Library]()
    plain = libraries.multiply_by

    def counting(library: Library, one: Tensor, other: Tensor) -> Tensor:
        used[library] += 1
        return plain(library, one, other)

    monkeypatch.setattr(libraries, "multiply_by", counting)
    monkeypatch.setattr(libraries, "library_for", lambda *_: library)
    torch.manual_seed(1)
    lstm, table, softmax = Lstm(8, 12, 2), torch.nn.Embedding(9, 8), torch.nn.Linear(12, 9)
    words = pack_sequence([torch.tensor([1, 2, 3, 1]), torch.tensor([4, 8])])
    hidden, _ = lstm.read_words(words, table)
    loss = negative_log_likelihood(hidden.data, softmax.weight, softmax.bias, words.data)
    return used, list(torch.autograd.grad(loss, [*lstm.parameters(), table.weight]))


def test_all_large_products_of_new_matrices_go_to_the_library_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not packs(torch.float32, "cpu"):
        pytest.skip("oneDNN has no packed products on this processor")
    used, gradients = {}, {}
    for library in LIBRARIES:
        with monkeypatch.context() as patch:
            used[library], gradients[library] = update(patch, library)
    # Of each layer: input and recurrent weights; the words' vectors; the weights of the softmax.
    assert used == {"torch": {"torch": 5}, "onednn": {"onednn": 6}}
    torch.testing.assert_close(gradients["onednn"], gradients["torch"], rtol=1e-4, atol=1e-6)
