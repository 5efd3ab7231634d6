"""The shape of the model, known without torch."""

from dataclasses import dataclass
from typing import Any

from s2s_cli.settings import setting

PANEL = "Model"


@dataclass(frozen=True)
class ModelConfig:
    """What the user chooses about the model; the defaults are the paper's (§3.4)."""

    layers: int = setting(4, "LSTM layers of the encoder, and of the decoder.", min=1, panel=PANEL)
    hidden_size: int = setting(1000, "Cells of each layer.", min=1, panel=PANEL)
    embedding_size: int = setting(1000, "Size of a word embedding.", min=1, panel=PANEL)


@dataclass(frozen=True)
class Shape:
    """Everything that fixes the model's tensors."""

    source_vocabulary: int
    target_vocabulary: int
    layers: int
    hidden_size: int
    embedding_size: int

    @classmethod
    def of(cls, config: ModelConfig, source_vocabulary: int, target_vocabulary: int) -> "Shape":
        return cls(
            source_vocabulary,
            target_vocabulary,
            config.layers,
            config.hidden_size,
            config.embedding_size,
        )

    @classmethod
    def from_json(cls, value: Any) -> "Shape":
        """The shape written in a model directory.

        Raises:
            ValueError: an entry is missing, unknown, or not a positive number.
        """
        if not isinstance(value, dict) or set(value) != set(cls.__dataclass_fields__):
            raise ValueError("its entries are not those of a model's shape")
        for name, number in value.items():
            if type(number) is not int or number < 1:
                raise ValueError(f"{name} is not a positive number")
        return cls(**value)
