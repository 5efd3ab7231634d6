"""Exported graphs in ONNX Runtime against the models that they were made of."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch.nn.utils.rnn import pad_packed_sequence
from variants import OPTIONS, pack, shape

from s2s_cli.errors import UserError
from s2s_cli.model import onnx_export, onnx_graph
from s2s_cli.model.config import Shape
from s2s_cli.model.description import BEST, Description
from s2s_cli.model.directory import save_tensors
from s2s_cli.model.onnx_export import decoder_graph, encoder_graph, export
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.text.facts import Facts
from s2s_cli.text.vocabulary import EOS, Vocabulary

# Two batches of other sizes and lengths, the longest not first; all targets of a batch are as long,
# since a step is one for all of a batch.
BATCHES = [
    ([[3, 5], [4, 4, 10, 2, 6], [3]], [[2, 8, 1, 7], [6, 6, 6, 2], [3, 4, 5, 8]]),
    ([[9, 2, 2, 7, 8, 3, 1]], [[5, 1]]),
]
# What may stand behind the end of a source: no id of a word.
ANYTHING = [2**40, -(2**63)]
Arrays = dict[str, Any]


def drawn(of: Shape) -> Seq2Seq:
    """A model with weights large enough that every part of it tells."""
    model = Seq2Seq(of).eval().requires_grad_(False)
    model.initialise(0.9, torch.Generator().manual_seed(3))
    return model


def shape_of(name: str) -> Shape:
    return (
        Shape(11, 9, layers=2, hidden_size=6, embedding_size=5) if name == "plain" else shape(name)
    )


def session(model: bytes | Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(of: Any, feeds: Arrays) -> Arrays:
    """All outputs, given at least what ``of`` reads."""
    names = [each.name for each in of.get_outputs()]
    taken = {each.name: feeds[each.name] for each in of.get_inputs()}
    return dict(zip(names, of.run(names, taken), strict=True))


def padded(sources: list[list[int]]) -> Arrays:
    """Sources [length, batch], with words where others have ended, which must count for nothing."""
    longest = max(map(len, sources))
    rows = [[*each, *[ANYTHING[len(each) % 2]] * (longest - len(each))] for each in sources]
    lengths = np.array([len(each) for each in sources], np.int32)
    return {"source": np.array(rows, np.int64).T, "lengths": lengths}


def expected(model: Seq2Seq, sources: list[list[int]], targets: list[list[int]]) -> Any:
    """Log probabilities [batch, steps, vocabulary] by teacher forcing."""
    read = pack([[EOS, *each] for each in targets])
    decode: Any = model.decode
    logits = model.softmax(decode(read, model.encode(pack(sources))).data)
    log_probs, _ = pad_packed_sequence(read._replace(data=logits.log_softmax(1)), batch_first=True)
    return log_probs.numpy()


@pytest.mark.parametrize("name", ["plain", *OPTIONS])
def test_log_probabilities_are_those_of_the_model(name: str) -> None:
    model = drawn(shape_of(name))
    graphs = [make(model).as_onnx() for make in (encoder_graph, decoder_graph)]
    for each in graphs:
        onnx.checker.check_model(each, full_check=True)
    encoder, decoder = map(session, graphs)
    for sources, targets in BATCHES:
        feeds = padded(sources)
        feeds |= run(encoder, feeds)
        found = []
        for words in zip(*[[EOS, *each] for each in targets], strict=True):
            given = run(decoder, feeds | {"token": np.array(words, np.int64)})
            found.append(given["log_probs"])
            feeds |= {
                key.removeprefix("next_"): value
                for key, value in given.items()
                if key.startswith("next_")
            }
            if "attention" in given:
                outside = np.arange(given["attention"].shape[1]) >= feeds["lengths"][:, None]
                assert not given["attention"][outside].any()
        np.testing.assert_allclose(
            np.stack(found, 1), expected(model, sources, targets), rtol=1e-4, atol=1e-5
        )


def write(directory: Path, of: Shape) -> Seq2Seq:
    """A model directory."""
    model = drawn(of)
    source, target = (
        Vocabulary([f"word{index}" for index in range(size - 2)], [1] * (size - 2))
        for size in (of.source_vocabulary, of.target_vocabulary)
    )
    Description(of, Facts("en", "fr", True, True, "any"), source, target).write(directory)
    save_tensors(directory / BEST, {"model": dict(model.state_dict())})
    return model


def test_weights_too_large_for_one_file_lie_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "model", shape_of("feeding-all"))
    export(tmp_path / "model", tmp_path / "one")
    monkeypatch.setattr(onnx_export, "LARGEST", 1000)
    written = export(tmp_path / "model", tmp_path / "two")
    weights = {"encoder.onnx.data", "decoder_step.onnx.data"}
    names = {each.name for each in written}
    assert weights <= names == {each.name for each in (tmp_path / "two").iterdir()}
    one, two = (
        run(session(tmp_path / folder / "encoder.onnx"), padded(BATCHES[0][0]))
        for folder in ("one", "two")
    )
    for name, values in one.items():
        np.testing.assert_array_equal(values, two[name])
    onnx.checker.check_model(tmp_path / "two" / "decoder_step.onnx", full_check=True)

    monkeypatch.setattr(onnx_export, "LARGEST", onnx_graph.LARGEST)
    export(tmp_path / "model", tmp_path / "two")
    assert not weights & {each.name for each in (tmp_path / "two").iterdir()}


def test_without_onnx_the_way_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UserError, match=r"pip install .*\[onnx\]'"):
        export(tmp_path / "model", tmp_path / "out")
    assert not list(tmp_path.iterdir())
