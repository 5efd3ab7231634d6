"""The shape of the model, known without torch."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, NamedTuple, assert_never

from s2s_cli.json_fields import from_json, required_fields
from s2s_cli.settings import setting

PANEL = "Data and model"
BEYOND = "Beyond the paper"

# More than any machine holds.
MOST_LAYERS = 1000
LARGEST_LAYER = 10_000_000

# Of matrix products: in training, and with a trained model.
TrainingPrecision = Literal["fp32", "tf32", "bf16"]
Precision = Literal[TrainingPrecision, "int8"]
Cell = Literal["lstm", "lstm-peephole", "gru", "rnn"]
Bridge = Literal["copy", "linear", "concat"]
AttentionScore = Literal["additive", "dot", "general"]
AttentionKind = Literal["none", AttentionScore]


class CellKind(NamedTuple):
    """Facts about a kind of cell.

    Attributes:
        gates: in the order of their rows in the weights of ``torch.nn``, a letter each: input,
            forget, candidate g, output; reset, update, new n. tanh squashes g and n, σ the others.
        states: of a layer.
        peepholes: weights from the state of a cell to its own gates.
    """

    gates: str
    states: tuple[str, ...]
    peepholes: int = 0


def cell_kind(cell: Cell) -> CellKind:
    match cell:
        case "lstm":
            return CellKind("ifgo", ("hidden", "cell"))
        case "lstm-peephole":
            return CellKind("ifgo", ("hidden", "cell"), peepholes=3)
        case "gru":
            return CellKind("rzn", ("hidden",))
        case "rnn":
            return CellKind("n", ("hidden",))
        case _:
            assert_never(cell)


@dataclass(frozen=True)
class ModelConfig:
    """Options of the model; the defaults are the paper's (§3.4)."""

    layers: int = setting(
        4, "LSTM layers of the encoder, and of the decoder.", min=1, max=MOST_LAYERS, panel=PANEL
    )
    hidden_size: int = setting(1000, "Cells in each layer.", min=1, max=LARGEST_LAYER, panel=PANEL)
    embedding_size: int = setting(
        1000, "Size of the word embeddings.", min=1, max=LARGEST_LAYER, panel=PANEL
    )
    cell: Cell = setting(
        "lstm",
        "LSTM, LSTM with peepholes, GRU, or plain tanh RNN.",
        panel=BEYOND,
    )
    bidirectional: bool = setting(
        False, "Add a second encoder, which reads the source from its other end.", panel=BEYOND
    )
    bridge: Bridge = setting(
        "copy",
        "How the decoder starts: from the encoder's last states (copy); from a linear layer of "
        "them (linear); from zeros, with the sentence vector as input to every step (concat).",
        panel=BEYOND,
    )
    decoder_layers: int = setting(
        0,
        "Layers of the decoder; not with --bridge copy. 0: as many as the encoder has.",
        min=0,
        max=MOST_LAYERS,
        panel=BEYOND,
    )
    decoder_hidden_size: int = setting(
        0,
        "Cells in each of these, likewise. 0: as many as the encoder has.",
        min=0,
        max=LARGEST_LAYER,
        panel=BEYOND,
    )
    peeky: bool = setting(
        False,
        "Feed the sentence vector to the decoder and the output layer at every step.",
        panel=BEYOND,
    )
    attention: AttentionKind = setting(
        "none",
        "Attention to the source words, by this score function.",
        panel=BEYOND,
    )
    input_feeding: bool = setting(
        False,
        "With --attention: feed the attentional hidden state to the next step (slower).",
        panel=BEYOND,
    )


Preset = Literal["toy", "small", "paper"]
# Sizes of models for corpora of some thousand short pairs, of ten thousand to a million, and more.
PRESET_MODELS: dict[Preset, ModelConfig] = {
    "toy": ModelConfig(layers=1, hidden_size=128, embedding_size=64),
    "small": ModelConfig(layers=1, hidden_size=256, embedding_size=256),
    "paper": ModelConfig(),
}


@dataclass(frozen=True)
class Shape:
    """Everything that fixes the model's tensors; what has a default is beyond the paper."""

    source_vocabulary: int
    target_vocabulary: int
    layers: int
    hidden_size: int
    embedding_size: int
    cell: Cell = "lstm"
    bidirectional: bool = False
    bridge: Bridge = "copy"
    decoder_layers: int = 0
    decoder_hidden_size: int = 0
    peeky: bool = False
    attention: AttentionKind = "none"
    input_feeding: bool = False

    @classmethod
    def of(cls, config: ModelConfig, source_vocabulary: int, target_vocabulary: int) -> "Shape":
        values = asdict(config)
        for name, like in (("decoder_layers", "layers"), ("decoder_hidden_size", "hidden_size")):
            if values[name] == values[like]:  # one way to write one shape
                values[name] = 0
        return cls(source_vocabulary, target_vocabulary, **values)

    @property
    def plain(self) -> bool:
        """True for the paper's model."""
        return len(self.as_json()) == len(PLAIN_FIELDS)

    @property
    def directions(self) -> int:
        """Encoders that read the source, each from one end."""
        return 2 if self.bidirectional else 1

    @property
    def depth(self) -> int:
        """Layers of the decoder."""
        return self.decoder_layers or self.layers

    @property
    def width(self) -> int:
        """Cells of each layer of the decoder."""
        return self.decoder_hidden_size or self.hidden_size

    @property
    def states(self) -> tuple[str, ...]:
        """The states of a layer by name: the hidden state, and of LSTMs the cell state."""
        return cell_kind(self.cell).states

    @property
    def vector_size(self) -> int:
        """Numbers of the sentence vector: the top layer's last hidden state of each direction."""
        return self.directions * self.hidden_size

    @property
    def reads_vector(self) -> bool:
        """True where the decoder reads the sentence vector at every step."""
        return self.peeky or self.bridge == "concat"

    @property
    def input_size(self) -> int:
        """Numbers that the decoder reads at a step."""
        vector = self.vector_size if self.reads_vector else 0
        return self.embedding_size + vector + (self.width if self.input_feeding else 0)

    @property
    def output_size(self) -> int:
        """Numbers that the output layer reads."""
        return self.width + (self.vector_size if self.peeky else 0)

    def mistake(self) -> str | None:
        """Name what does not go together, in a sentence; None if all does."""
        other = self.depth != self.layers or self.width != self.hidden_size
        if self.bridge == "copy" and (other or self.bidirectional):
            reason = "two encoders" if self.bidirectional else "a decoder of another depth or width"
            return f"--bridge copy does not fit {reason}: take --bridge linear, or --bridge concat"
        if self.input_feeding and self.attention == "none":
            return "--input-feeding feeds what attention found: choose an --attention"
        if self.attention == "dot" and self.width != self.vector_size:
            return (
                f"--attention dot compares {self.width} numbers of the decoder with "
                f"{self.vector_size} of the encoder: take --attention general or additive, or "
                f"--decoder-hidden-size {self.vector_size}"
            )
        return None

    def as_json(self) -> dict[str, Any]:
        """The shape as a model directory has it; of what is beyond the paper, what is used."""
        default = {each.name: each.default for each in fields(self)}
        return {
            name: value
            for name, value in asdict(self).items()
            if name in PLAIN_FIELDS or value != default[name]
        }

    @classmethod
    def from_json(cls, value: Any) -> "Shape":
        """The shape written in a model directory.

        Raises:
            ValueError: an entry is missing, unknown, or nothing that it can be.
        """
        shape = from_json(cls, value, "a model's shape")
        if mistake := shape.mistake():
            raise ValueError(mistake)
        return shape


PLAIN_FIELDS = required_fields(Shape)
