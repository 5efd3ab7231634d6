"""Numbers of the paper's model, to the last bit: made here, kept in ``plain_model.json``.

Search, forced decoding, sentence vectors, losses, gradients and a few updates, in fp32 and bf16,
of models of one to four layers. ``python tests/golden/plain_model.py`` writes the file anew. That
is a change of numbers, which every user of a trained model would see: say so in the changelog.

Bits depend on the processor's kernels, too. `fingerprint` is made of torch's own operations, of
the types and sizes that are used here: bits are compared where it is the stored one.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from s2s_cli.decoding.beam import search
from s2s_cli.decoding.config import BeamConfig
from s2s_cli.inference.ensemble import Ensemble
from s2s_cli.inference.scorer import ModelScorer, Scorer
from s2s_cli.model.config import Shape
from s2s_cli.model.pipeline import spread
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.rescoring.prefix_tree import log_probabilities
from s2s_cli.text.vocabulary import EOS

FILE = Path(__file__).with_suffix(".json")
Precision = Literal["fp32", "bf16"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
WORDS = 500
# Odd sizes, too: vectorised functions may round otherwise at the end of a tensor.
SHAPES = {
    "1-layer": Shape(WORDS, WORDS, layers=1, hidden_size=24, embedding_size=16),
    "2-layers": Shape(WORDS, WORDS, layers=2, hidden_size=45, embedding_size=37),
    "3-layers": Shape(60, 50, layers=3, hidden_size=32, embedding_size=32),
    "4-layers": Shape(WORDS, WORDS, layers=4, hidden_size=64, embedding_size=64),
}
ENSEMBLE = "1-layer", "4-layers"
BEAM = BeamConfig(beam=5, nbest=2, max_length=9)
UPDATES, RATE = 3, 0.7
Found = dict[str, Any]


def model(name: str, dropout: float = 0.0) -> Seq2Seq:
    network = Seq2Seq(SHAPES[name], dropout=dropout)
    network.initialise(0.4, torch.Generator().manual_seed(SHAPES[name].layers))
    return network


def scorer(name: str, precision: Precision, *, reverse: bool) -> ModelScorer:
    network = model(name).eval().requires_grad_(False)
    return ModelScorer(network, reverse_source=reverse, precision=precision)


def sentences(words: int, count: int, longest: int, seed: int) -> list[list[int]]:
    """Of uneven length, the first of one word."""
    generator = torch.Generator().manual_seed(seed)
    lengths = [1, *torch.randint(1, longest + 1, (count - 1,), generator=generator).tolist()]
    return [torch.randint(2, words, (length,), generator=generator).tolist() for length in lengths]


def pack(ids: Sequence[Sequence[int]]) -> PackedSequence:
    return pack_sequence([torch.tensor(each) for each in ids], enforce_sorted=False)


def summary(values: Tensor) -> Found:
    """All bits as a digest, and the norm."""
    kept = values.detach().to_dense() if values.is_sparse else values.detach()
    norm = float(torch.linalg.vector_norm(kept.double()))
    return {"digest": digest([kept]), "norm": norm.hex()}


def digest(tensors: Iterable[Tensor]) -> str:
    found = hashlib.sha256()
    for each in tensors:
        found.update(each.contiguous().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:16]


def searched(names: Sequence[str], precision: Precision, *, reverse: bool) -> Found:
    """Search, and forced decoding of what it found and of other hypotheses.

    Of several models, every other one reads the sources the other way round.
    """
    members = [
        scorer(name, precision, reverse=reverse != bool(number % 2))
        for number, name in enumerate(names)
    ]
    together: Scorer = Ensemble(members) if len(members) > 1 else members[0]
    sources = sentences(SHAPES[names[0]].source_vocabulary, 9, 12, seed=7)
    found = search(together, sources, BEAM)
    lists = [
        (source, [*(each.tokens for each in best), [], [5, 4]])
        for source, best in zip(sources, found, strict=True)
    ]
    forced = log_probabilities(together, lists)
    return {
        "tokens": [[each.tokens for each in best] for best in found],
        "log_probs": [each.log_prob.hex() for best in found for each in best],
        "forced": summary(forced),
    }


def vectors(name: str, precision: Precision) -> Found:
    sources = sentences(SHAPES[name].source_vocabulary, 9, 12, seed=7)
    return summary(scorer(name, precision, reverse=True).sentence_vectors([*sources, []]))


def trained(name: str, precision: Precision, dropout: float = 0.0, devices: int = 1) -> Found:
    """Losses and the first gradient of a few updates by teacher forcing, and what they lead to."""
    network: Any = spread(model(name, dropout), (torch.device("cpu"),) * devices)
    shape = SHAPES[name]
    sources = sentences(shape.source_vocabulary, 6, 11, seed=8)
    targets = [[4], *sentences(shape.target_vocabulary, 5, 9, seed=9)]
    batch = (
        pack(sources),
        pack([[EOS, *each] for each in targets]),
        pack([[*each, EOS] for each in targets]).data,
    )
    torch.manual_seed(3)
    parameters = dict(network.named_parameters())
    losses, gradients = [], {}
    for update in range(UPDATES):
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = network(*batch)
        (loss / len(sources)).backward()
        losses.append(float(loss.detach()).hex())
        if not update:
            gradients = {key: summary(each.grad) for key, each in parameters.items()}
        with torch.no_grad():
            for each in parameters.values():
                each.add_(each.grad, alpha=-RATE)
    after = torch.cat([each.detach().flatten() for each in parameters.values()])
    return {"losses": losses, "gradients": gradients, "after": summary(after)}


def cases() -> dict[str, Callable[[], Found]]:
    """All that is compared, by name; to be computed one at a time."""
    found: dict[str, Callable[[], Found]] = {}
    for precision in PRECISIONS:
        for name in SHAPES:
            for way, reverse in (("forward", False), ("reversed", True)):
                found[f"search {name} {precision} {way}"] = partial(
                    searched, [name], precision, reverse=reverse
                )
            found[f"vectors {name} {precision}"] = partial(vectors, name, precision)
            found[f"training {name} {precision}"] = partial(trained, name, precision)
        found[f"ensemble {precision}"] = partial(searched, ENSEMBLE, precision, reverse=False)
        found[f"dropout {precision}"] = partial(trained, "3-layers", precision, dropout=0.3)
        found[f"devices {precision}"] = partial(trained, "3-layers", precision, devices=4)
    return found


def fingerprint() -> str:
    """The kernels of this machine: products and functions of fixed numbers, as a digest."""
    parts: list[Tensor] = []
    sizes = {(each.target_vocabulary, each.hidden_size) for each in SHAPES.values()}
    for each in SHAPES.values():
        size, cells = each.embedding_size, each.hidden_size
        sizes |= {(4 * cells, size), (4 * cells, cells), (4 * cells, 2 * cells)}
    for dtype in DTYPES.values():
        for outputs, inputs in sorted(sizes):
            for rows in (1, 5, 16, 64, 256):
                parts += products(rows, outputs, inputs, dtype)
    numbers = drawn(45, 501) * 4
    parts += [numbers.exp(), numbers.sigmoid(), numbers.tanh(), numbers.abs().log()]
    parts += [numbers.softmax(1), numbers.logsumexp(1), numbers.sum(1), numbers.sum(0)]
    parts += [numbers.double().exp(), numbers.double().abs().log(), numbers.reciprocal()]
    torch.manual_seed(3)
    parts.append(torch.nn.functional.dropout(numbers, 0.3))
    return digest(parts)


def products(rows: int, outputs: int, inputs: int, dtype: torch.dtype) -> list[Tensor]:
    """Products with weights [outputs, inputs], plain, and packed as oneDNN does."""
    block, weight = drawn(rows, inputs).to(dtype), drawn(outputs, inputs).to(dtype)
    bias, above = drawn(outputs), drawn(rows, outputs).to(dtype)
    found = [block @ weight.T, above @ weight, above.T @ block]
    try:
        layout = torch.ops.mkldnn._reorder_linear_weight(weight, 64)
        for function in ("none", "sigmoid"):
            product = torch.ops.mkldnn._linear_pointwise(block, layout, bias, function, [], "")
            found.append(product)
    except (AttributeError, NotImplementedError, RuntimeError):
        pass
    return found


def drawn(*size: int) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(sum(size)))


def main() -> None:
    torch.set_num_threads(1)
    content = {
        "torch": torch.__version__,
        "fingerprint": fingerprint(),
        "names": {name: list(model(name).state_dict()) for name in SHAPES},
        "cases": {name: compute() for name, compute in cases().items()},
    }
    FILE.write_text(json.dumps(content) + "\n", "utf-8")
    sys.stdout.write(f"{FILE}: {FILE.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main()
