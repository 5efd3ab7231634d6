"""ONNX graphs, put together node by node; only the written model needs the library."""

from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple, assert_never

import torch
from torch import Tensor, nn

from s2s_cli import __version__
from s2s_cli.errors import UserError
from s2s_cli.installation import install_extra
from s2s_cli.model.cells import peepholes_of
from s2s_cli.model.config import Cell, cell_kind

# Both have all that is used here; later ones are for later runtimes only.
OPSET, IR_VERSION = 17, 8
# Of the weights in one file, in bytes: protobuf ends at 2 GiB.
LARGEST = 2_000_000_000
# Where weights in a file of their own begin: at whole pages, so that they can be mapped.
PAGE = 4096
TYPES = {torch.float32: "float", torch.int64: "int64"}
# ONNX: i, o, f; ours: i, f, o.
PEEPHOLE_ORDER = [0, 2, 1]


class OnnxCell(NamedTuple):
    """ONNX's operator for a kind of cell.

    Attributes:
        operator: its name.
        gates: the letters of `CellKind.gates` in ONNX's order.
        attributes: which of the operator's variants.
    """

    operator: str
    gates: str
    attributes: dict[str, Any]


def onnx_cell(cell: Cell) -> OnnxCell:
    match cell:
        case "lstm" | "lstm-peephole":
            return OnnxCell("LSTM", "iofg", {})
        case "gru":  # the reset gate behind the product, as torch has it
            return OnnxCell("GRU", "zrn", {"linear_before_reset": 1})
        case "rnn":
            return OnnxCell("RNN", "n", {})
        case _:
            assert_never(cell)


class GraphValue(NamedTuple):
    """Input or output of a graph; sizes that are names are known when it runs."""

    name: str
    type: str
    shape: list[int | str]


@dataclass
class Graph:
    """A graph so far; values are known by their names.

    Attributes:
        name: of the graph.
        inputs: what it reads.
        outputs: what it gives.
        weights: its constants.
        nodes: operator, inputs, outputs and attributes, in an order in which they can be computed.
    """

    name: str
    inputs: list[GraphValue] = field(default_factory=list)
    outputs: list[GraphValue] = field(default_factory=list)
    weights: dict[str, Tensor] = field(default_factory=dict)
    nodes: list[tuple[str, list[str], list[str], dict[str, Any]]] = field(default_factory=list)

    def input(self, name: str, type: str, shape: list[int | str]) -> str:
        """Something to read."""
        self.inputs.append(GraphValue(name, type, shape))
        return name

    def output(self, name: str, value: str, shape: list[int | str]) -> None:
        """Give ``value``, of 32-bit numbers, the name ``name`` outside."""
        self.nodes.append(("Identity", [value], [name], {}))
        self.outputs.append(GraphValue(name, "float", shape))

    def weight(self, name: str, values: Tensor) -> str:
        """Constants of the model."""
        self.weights[name] = values.detach().cpu()
        return name

    def numbers(self, *values: int) -> str:
        """Constant whole numbers, as axes and shapes have them."""
        return self.weight("numbers_" + "_".join(map(str, values)), torch.tensor(values))

    def number(self, value: int) -> str:
        """The same, one alone."""
        return self.weight(f"number_{value}", torch.tensor(value))

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node: what ``operator`` makes of ``inputs``."""
        return self.several(1, operator, *inputs, **attributes)[0]

    def several(self, count: int, operator: str, *inputs: str, **attributes: Any) -> list[str]:
        """Add a node with ``count`` results."""
        name = f"{operator.lower()}_{len(self.nodes)}"
        results = [f"{name}_{index}" for index in range(count)] if count > 1 else [name]
        self.nodes.append((operator, list(inputs), results, attributes))
        return results

    def joined(self, values: list[str], axis: int) -> str:
        """``values`` side by side along ``axis``."""
        return self.add("Concat", *values, axis=axis) if len(values) > 1 else values[0]

    def parts(self, value: str, count: int, axis: int) -> list[str]:
        """``value`` cut along ``axis`` into ``count`` equal parts."""
        return self.several(count, "Split", value, axis=axis) if count > 1 else [value]

    def linear(self, rows: str, layer: nn.Linear, name: str) -> str:
        """A layer of rows [rows, n]."""
        constants = [self.weight(f"{name}.weight", layer.weight)]
        if layer.bias is not None:
            constants.append(self.weight(f"{name}.bias", layer.bias))
        return self.add("Gemm", rows, *constants, transB=1)

    def recurrent(
        self,
        cell: Cell,
        layers: nn.RNNBase,
        name: str,
        layer: int,
        rows: str,
        *,
        lengths: str = "",
        states: tuple[str, ...] = (),
        backwards: bool = False,
    ) -> tuple[str, tuple[str, ...]]:
        """One layer over ``rows`` [length, batch, size].

        Args:
            cell: its kind.
            layers: its weights are the ones of ``layer`` among these.
            name: what ``layers`` are called.
            layer: which one.
            rows: what it reads.
            lengths: [batch] steps of each sentence; none: all have all.
            states: the ones before the first step, [1, batch, cells] each; none: zeros.
            backwards: whether each sentence is read from its end.

        Returns:
            Hidden states [length, batch, cells] in the order of ``rows``, 0 behind the end of
            each sentence, and the last states, [1, batch, cells] each.
        """
        kind, theirs = cell_kind(cell), onnx_cell(cell)
        order = [kind.gates.index(gate) for gate in theirs.gates]
        of_rows, of_hidden, input_bias, hidden_bias = (
            ordered(each, order) for each in layers.all_weights[layer]
        )
        inputs = [
            rows,
            self.weight(f"{name}.weight_ih_l{layer}", of_rows[None]),
            self.weight(f"{name}.weight_hh_l{layer}", of_hidden[None]),
            self.weight(f"{name}.bias_l{layer}", torch.cat([input_bias, hidden_bias])[None]),
            lengths,
            *(states or [""] * len(kind.states)),
        ]
        peepholes = peepholes_of(layers, layer)
        if peepholes is not None:
            of_cells = peepholes[PEEPHOLE_ORDER].reshape(1, -1)
            inputs.append(self.weight(f"{name}.peephole_l{layer}", of_cells))
        every, *last = self.several(
            1 + len(kind.states),
            theirs.operator,
            *inputs,
            hidden_size=layers.hidden_size,
            direction="reverse" if backwards else "forward",
            **theirs.attributes,
        )
        return self.add("Squeeze", every, self.numbers(1)), tuple(last)

    @property
    def size(self) -> int:
        """Bytes of all weights."""
        return sum(each.nbytes for each in self.weights.values())

    def as_onnx(self, weights_file: str = "") -> bytes:
        """The bytes of a model that is this graph.

        Args:
            weights_file: the name of the file that `write_weights` fills; none: the weights are
                in the model, and must not exceed `LARGEST`.
        """
        onnx = require_onnx()
        helper, types = onnx.helper, {each: number_of(each) for each in ("float", "int64", "int32")}
        inputs, outputs = (
            [
                helper.make_tensor_value_info(each.name, types[each.type], each.shape)
                for each in side
            ]
            for side in (self.inputs, self.outputs)
        )
        nodes = [
            helper.make_node(operator, taken, given, name=given[0], **attributes)
            for operator, taken, given, attributes in self.nodes
        ]
        model = helper.make_model(
            helper.make_graph(nodes, self.name, inputs, outputs),
            producer_name="s2s",
            producer_version=__version__,
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )
        begin = 0
        for name, values in self.weights.items():
            # In its place at once: each of the library's functions would copy it.
            constant = model.graph.initializer.add(
                name=name, data_type=types[TYPES[values.dtype]], dims=values.shape
            )
            if not (weights_file and lies_outside(values)):
                constant.raw_data = bytes_of(values)
                continue
            constant.data_location = onnx.TensorProto.EXTERNAL
            place = {"location": weights_file, "offset": begin, "length": values.nbytes}
            for key, entry in place.items():
                constant.external_data.add(key=key, value=str(entry))
            begin = next_page(begin + values.nbytes)
        serialised: bytes = model.SerializeToString()
        return serialised

    def write_weights(self, stream: BinaryIO) -> None:
        """Fill the file of weights that ``as_onnx(weights_file)`` names."""
        begin = 0
        for values in filter(lies_outside, self.weights.values()):
            stream.write(bytes_of(values))
            end = begin + values.nbytes
            begin = next_page(end)
            stream.write(bytes(begin - end))


def lies_outside(values: Tensor) -> bool:
    """True for constants that may lie in another file; axes and shapes are needed before it."""
    return values.is_floating_point()


def ordered(values: Tensor, gates: list[int]) -> Tensor:
    """``values`` [gates · cells, ...] with the gates in another order."""
    parts = values.detach().chunk(len(gates))
    return torch.cat([parts[gate] for gate in gates])


def bytes_of(values: Tensor) -> bytes:
    """Numbers in order, little-endian."""
    found = values.contiguous().numpy()
    in_order: bytes = found.astype(found.dtype.newbyteorder("<"), copy=False).tobytes()
    return in_order


def next_page(place: int) -> int:
    return -(-place // PAGE) * PAGE


def number_of(type: str) -> int:
    """ONNX's number for a type."""
    number: int = getattr(require_onnx().TensorProto, type.upper())
    return number


def require_onnx() -> Any:
    """The library.

    Raises:
        UserError: it is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise UserError(
            f"ONNX files are made with onnx, which is not installed: {install_extra('onnx')}"
        ) from None
    return onnx
