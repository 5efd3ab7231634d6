"""A model as two ONNX graphs, for programs that have no PyTorch.

``encoder.onnx`` reads a batch of sources; ``decoder_step.onnx`` reads one target word and gives the
distribution of the next. What the first one gives and the second one reads has the same name in
both. ``export.json`` says what there is.
"""

from pathlib import Path
from typing import Any, assert_never

import torch

from s2s_cli.atomic_files import AtomicFiles
from s2s_cli.errors import UserError
from s2s_cli.model.attention import Attention
from s2s_cli.model.config import Shape
from s2s_cli.model.description import (
    CONTENTS,
    DESCRIPTION,
    EXPORT_FORMAT,
    Description,
    vocabulary_path,
)
from s2s_cli.model.directory import load_model
from s2s_cli.model.onnx_graph import LARGEST, Graph, GraphValue, number_of, require_onnx
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.text.facts import FACTS_FILE as FACTS
from s2s_cli.text.layout import pieces_file
from s2s_cli.text.vocabulary import EOS, UNK

ENCODER, DECODER = "encoder", "decoder_step"
NEXT = "next_"
# Of each layer, [1, batch, cells] each.
LayerStates = list[tuple[str, ...]]


def export(model: Path, directory: Path) -> list[Path]:
    """Write the graphs of ``model`` and what belongs to them into ``directory``, all together.

    Returns:
        The files.

    Raises:
        UserError: onnx is not installed; not a model; ``directory`` is a model or a data directory,
            which has vocabularies of its own; a file cannot be written.
    """
    require_onnx()
    for name in (DESCRIPTION, FACTS):
        if (directory / name).exists():
            raise UserError(
                f"{directory}: has vocabularies of its own ({name} is there); name a directory for "
                "the export alone"
            )
    network, description = load_model(model, torch.device("cpu"))
    graphs = encoder_graph(network), decoder_graph(network)
    written = [directory / CONTENTS]
    again = (directory / CONTENTS).is_file()  # otherwise no file there is of an export
    with AtomicFiles() as files:
        for graph in graphs:
            written += write_graph(files, directory, graph, again)
        facts = description.facts
        if again and not description.piece_models:
            for language in facts.languages:
                files.remove(pieces_file(directory, language))
        for language, pieces in zip(facts.languages, description.piece_models, strict=False):
            written.append(pieces_file(directory, language))
            files.open(written[-1]).write(pieces)
        vocabularies = (description.source_vocabulary, description.target_vocabulary)
        for language, vocabulary in zip(facts.languages, vocabularies, strict=True):
            written.append(vocabulary_path(directory, language))
            vocabulary.write_with(files, written[-1])
        files.write_json(directory / CONTENTS, contents(description, *graphs))
    return written


def write_graph(files: AtomicFiles, directory: Path, graph: Graph, again: bool) -> list[Path]:
    """One graph, its weights beside it where one file cannot hold both; the files."""
    path = directory / f"{graph.name}.onnx"
    weights = path.with_name(path.name + ".data")
    if graph.size <= LARGEST:
        if again:
            files.remove(weights)
        files.open(path).write(graph.as_onnx())
        return [path]
    graph.write_weights(files.open(weights))
    files.open(path).write(graph.as_onnx(weights.name))
    return [path, weights]


def contents(description: Description, encoder: Graph, decoder: Graph) -> dict[str, Any]:
    """Content of ``export.json``."""
    facts = description.facts
    source, target = (vocabulary_path(Path(), each).name for each in facts.languages)
    return {
        "format": EXPORT_FORMAT,
        "shape": description.shape.as_json(),
        "facts": facts.entries(facts.format),
        "reverse_source": facts.reverse_source,
        "vocabularies": {"source": source, "target": target},
        "symbols": {"end_of_sentence": EOS, "unknown": UNK},
        ENCODER: interface(encoder),
        DECODER: {
            **interface(decoder),
            "feeds": {
                each.name: each.name.removeprefix(NEXT)
                for each in decoder.outputs
                if each.name.startswith(NEXT)
            },
        },
    }


def interface(graph: Graph) -> dict[str, Any]:
    def told(values: list[GraphValue]) -> list[dict[str, Any]]:
        return [value._asdict() for value in values]

    return {
        "file": f"{graph.name}.onnx",
        "inputs": told(graph.inputs),
        "outputs": told(graph.outputs),
    }


def encoder_graph(model: Seq2Seq) -> Graph:
    """Build the graph from a batch of sources to all that the decoder's steps read.

    Reads ``source`` [length, batch], ids, and ``lengths`` [batch], at least 1 each; what stands
    behind the end of a source counts for nothing, and need not be an id.
    """
    shape, graph = model.shape, Graph(ENCODER)
    source = graph.input("source", "int64", ["length", "batch"])
    lengths = graph.input("lengths", "int32", ["batch"])
    table = graph.weight("source_embedding.weight", model.source_embedding.weight)
    within = graph.add("Transpose", is_within(graph, source, 0, lengths), perm=[1, 0])
    words = graph.add("Gather", table, graph.add("Where", within, source, graph.number(EOS)))
    tops, lasts = [], []
    for name in ("encoder", "encoder_backward")[: shape.directions]:
        rows, states = words, []
        for layer in range(shape.layers):
            rows, last = graph.recurrent(
                shape.cell,
                getattr(model, name),
                name,
                layer,
                rows,
                lengths=lengths,
                backwards=name == "encoder_backward",
            )
            states.append(last)
        tops.append(rows)
        lasts.append(states)
    add_first_states(graph, model, lasts, lengths)
    if shape.reads_vector:
        vector = graph.joined([states[-1][0] for states in lasts], 2)
        vector = graph.add("Squeeze", vector, graph.numbers(0))
        graph.output("vector", vector, ["batch", shape.vector_size])
    if shape.input_feeding:
        zeros = [graph.add("Shape", lengths), graph.numbers(shape.width)]
        nothing = graph.add("ConstantOfShape", graph.joined(zeros, 0))
        graph.output("found", nothing, ["batch", shape.width])
    if model.attention:
        add_encoder_outputs(graph, model.attention, shape, tops)
    return graph


def add_first_states(graph: Graph, model: Seq2Seq, lasts: list[LayerStates], lengths: str) -> None:
    """The decoder's states before its first step, given the last ones of each reader."""
    shape = model.shape
    names = shape.states
    match shape.bridge:
        case "copy":
            parts = [graph.joined(list(part), 0) for part in zip(*lasts[0], strict=True)]
        case "linear":
            assert model.bridge is not None
            every = [
                states[part] for part in range(len(names)) for reader in lasts for states in reader
            ]
            row = graph.add("Squeeze", graph.joined(every, 2), graph.numbers(0))
            weight, bias = model.bridge.affine()
            constants = graph.weight("bridge.weight", weight), graph.weight("bridge.bias", bias)
            row = graph.add("Gemm", row, *constants, transB=1)
            parts = []
            for part in graph.parts(row, len(names), 1):
                layers = graph.add("Reshape", part, graph.numbers(0, shape.depth, shape.width))
                parts.append(graph.add("Transpose", layers, perm=[1, 0, 2]))
            parts[0] = graph.add("Tanh", parts[0])
        case "concat":
            sizes = [
                graph.numbers(shape.depth),
                graph.add("Shape", lengths),
                graph.numbers(shape.width),
            ]
            parts = [graph.add("ConstantOfShape", graph.joined(sizes, 0))] * len(names)
        case _:
            assert_never(shape.bridge)
    for name, part in zip(names, parts, strict=True):
        graph.output(name, part, [shape.depth, "batch", shape.width])


def add_encoder_outputs(graph: Graph, attention: Attention, shape: Shape, tops: list[str]) -> None:
    """Add what attention looks at."""
    outputs = graph.add("Transpose", graph.joined(tops, 2), perm=[1, 0, 2])
    graph.output("memory", outputs, ["batch", "length", shape.vector_size])
    if attention.key:
        weight = graph.weight("attention.key.weight", attention.key.weight.T)
        keys = graph.add("MatMul", outputs, weight)
        keys = graph.add("Add", keys, graph.weight("attention.key.bias", attention.key.bias))
        graph.output("keys", keys, ["batch", "length", shape.width])


def decoder_graph(model: Seq2Seq) -> Graph:
    """One step: from one word each, [batch], and what came before, to the next word.

    Gives ``log_probs`` [batch, vocabulary], natural logarithms, and what the next step reads.
    """
    shape, graph = model.shape, Graph(DECODER)
    token = graph.input("token", "int64", ["batch"])
    of_layers: list[int | str] = [shape.depth, "batch", shape.width]
    names = shape.states
    before = [graph.parts(graph.input(each, "float", of_layers), shape.depth, 0) for each in names]
    table = graph.weight("target_embedding.weight", model.target_embedding.weight)
    reads = [graph.add("Gather", table, token)]
    vector = ""
    if shape.reads_vector:
        vector = graph.input("vector", "float", ["batch", shape.vector_size])
        reads.append(vector)
    if shape.input_feeding:
        reads.append(graph.input("found", "float", ["batch", shape.width]))
    rows = graph.add("Unsqueeze", graph.joined(reads, 1), graph.numbers(0))
    after: LayerStates = []
    for layer, states in enumerate(zip(*before, strict=True)):
        rows, last = graph.recurrent(
            shape.cell, model.decoder, "decoder", layer, rows, states=states
        )
        after.append(last)
    attentional, weights = graph.add("Squeeze", rows, graph.numbers(0)), ""
    if model.attention:
        attentional, weights = add_attention(graph, model.attention, shape, attentional)
    output = graph.joined([attentional, vector], 1) if shape.peeky else attentional
    logits = graph.linear(output, model.softmax, "softmax")
    log_probs = graph.add("LogSoftmax", logits, axis=1)
    graph.output("log_probs", log_probs, ["batch", shape.target_vocabulary])
    for name, part in zip(names, zip(*after, strict=True), strict=True):
        graph.output(NEXT + name, graph.joined(list(part), 0), of_layers)
    if shape.input_feeding:
        graph.output(NEXT + "found", attentional, ["batch", shape.width])
    if weights:
        graph.output("attention", weights, ["batch", "length"])
    return graph


def add_attention(graph: Graph, attention: Attention, shape: Shape, hidden: str) -> tuple[str, str]:
    """Add attention for ``hidden`` [batch, cells]: attentional hidden states, and weights."""
    outputs = graph.input("memory", "float", ["batch", "length", shape.vector_size])
    query = hidden
    if attention.query:
        query = graph.linear(hidden, attention.query, "attention.query")
    scores = graph.add(
        "Squeeze", add_scores(graph, attention, shape, query, outputs), graph.numbers(2)
    )
    lengths = graph.input("lengths", "int32", ["batch"])
    within = is_within(graph, outputs, 1, lengths)
    never = graph.weight("never", torch.tensor(float("-inf")))
    weights = graph.add("Softmax", graph.add("Where", within, scores, never), axis=1)
    row = graph.add("Unsqueeze", weights, graph.numbers(1))
    context = graph.add("Squeeze", graph.add("MatMul", row, outputs), graph.numbers(1))
    both = graph.joined([context, hidden], 1)
    combined = graph.linear(both, attention.combine, "attention.combine")
    return graph.add("Tanh", combined), weights


def add_scores(graph: Graph, attention: Attention, shape: Shape, query: str, outputs: str) -> str:
    """The scores of all words of the sources (`Attention.scores`): [batch, length, 1]."""
    match attention.score:
        case "dot" | "general":
            return graph.add("MatMul", outputs, graph.add("Unsqueeze", query, graph.numbers(2)))
        case "additive":
            assert attention.value is not None
            keys = graph.input("keys", "float", ["batch", "length", shape.width])
            query = graph.add("Unsqueeze", query, graph.numbers(1))
            together = graph.add("Tanh", graph.add("Add", query, keys))
            value = graph.weight("attention.value.weight", attention.value.weight.T)
            return graph.add("MatMul", together, value)
        case _:
            assert_never(attention.score)


def is_within(graph: Graph, value: str, axis: int, lengths: str) -> str:
    """True for each place along ``axis`` of ``value`` before the end of a source: [batch, length].

    ``lengths`` [batch] are those of the sources.
    """
    longest = graph.add("Gather", graph.add("Shape", value), graph.number(axis))
    places = graph.add("Range", graph.number(0), longest, graph.number(1))
    ends = graph.add(
        "Unsqueeze", graph.add("Cast", lengths, to=number_of("int64")), graph.numbers(1)
    )
    return graph.add("Less", places, ends)
