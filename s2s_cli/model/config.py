"""The shape of the model, known without torch."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from s2s_cli.json_fields import from_json, required_fields
from s2s_cli.settings import setting

PANEL = "Model"
BEYOND = "Model, beyond the paper"

Cell = Literal["lstm", "lstm-peephole", "gru", "rnn"]
Bridge = Literal["copy", "linear", "concat"]
Attention = Literal["none", "additive", "dot", "general"]

# Rows of the weights of each cell, in cells: its gates, and what is squashed into its state.
GATES: dict[Cell, int] = {"lstm": 4, "lstm-peephole": 4, "gru": 3, "rnn": 1}


@dataclass(frozen=True)
class ModelConfig:
    """What the user chooses about the model; the defaults are the paper's (§3.4)."""

    layers: int = setting(4, "LSTM layers of the encoder, and of the decoder.", min=1, panel=PANEL)
    hidden_size: int = setting(1000, "Cells of each layer.", min=1, panel=PANEL)
    embedding_size: int = setting(1000, "Size of a word embedding.", min=1, panel=PANEL)
    cell: Cell = setting(
        "lstm",
        "LSTM, LSTM with peepholes (slower), GRU, or a plain tanh RNN.",
        panel=BEYOND,
    )
    bidirectional: bool = setting(
        False, "A second encoder reads the source from its other end.", panel=BEYOND
    )
    bridge: Bridge = setting(
        "copy",
        "The decoder starts from the encoder's last states (copy), a linear layer of them, or "
        "zeros with the sentence vector beside every input (concat).",
        panel=BEYOND,
    )
    decoder_layers: int = setting(
        0,
        "Decoder's layers, not with --bridge copy; 0: as the encoder's.",
        min=0,
        panel=BEYOND,
    )
    decoder_hidden_size: int = setting(
        0, "Cells of each of them, likewise; 0: as the encoder's.", min=0, panel=BEYOND
    )
    peeky: bool = setting(
        False,
        "The sentence vector joins every input of the decoder and of the output layer.",
        panel=BEYOND,
    )
    attention: Attention = setting(
        "none",
        "How the decoder scores the words of the source, if it looks back at them.",
        panel=BEYOND,
    )
    input_feeding: bool = setting(
        False, "With attention: what it found is read at the next step (slower).", panel=BEYOND
    )


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
    attention: Attention = "none"
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
        """Whether it is the paper's model."""
        return len(self.as_json()) == len(SIZES)

    @property
    def readers(self) -> int:
        """LSTMs that read the source."""
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
    def has_cells(self) -> bool:
        """Whether a layer has a cell state besides its hidden state."""
        return self.cell.startswith("lstm")

    @property
    def vector_size(self) -> int:
        """Numbers of the sentence vector: the top layer's last hidden state of each reader."""
        return self.readers * self.hidden_size

    @property
    def input_size(self) -> int:
        """Numbers that the decoder reads at a step."""
        beside = self.vector_size if self.peeky or self.bridge == "concat" else 0
        return self.embedding_size + beside + (self.width if self.input_feeding else 0)

    @property
    def output_size(self) -> int:
        """Numbers that the output layer reads."""
        return self.width + (self.vector_size if self.peeky else 0)

    def mistake(self) -> str | None:
        """What does not go together, in a sentence; None if all does."""
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
            if name in SIZES or value != default[name]
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


SIZES = required_fields(Shape)
