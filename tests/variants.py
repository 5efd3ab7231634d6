"""Models beyond the paper's, one or a few of each kind."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from s2s_cli.model.config import Shape
from s2s_cli.model.encoder import Encoded
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.text.vocabulary import EOS

OPTIONS: dict[str, dict[str, Any]] = {
    "gru": {"cell": "gru"},
    "rnn": {"cell": "rnn"},
    "peephole": {"cell": "lstm-peephole"},
    "linear": {"bridge": "linear", "decoder_layers": 1, "decoder_hidden_size": 7},
    "concat": {"bridge": "concat", "decoder_layers": 3},
    "peeky": {"peeky": True},
    "peeky-gru-concat": {"peeky": True, "cell": "gru", "bridge": "concat"},
    "bidirectional": {"bidirectional": True, "bridge": "linear"},
    "narrow": {
        "bidirectional": True,
        "bridge": "linear",
        "decoder_layers": 3,
        "decoder_hidden_size": 4,
    },
    "dot": {"attention": "dot"},
    "general": {"attention": "general", "bidirectional": True, "bridge": "linear"},
    "additive": {"attention": "additive", "bidirectional": True, "bridge": "concat"},
    "feeding": {"attention": "general", "input_feeding": True},
    "feeding-all": {
        "attention": "additive",
        "input_feeding": True,
        "bidirectional": True,
        "bridge": "linear",
        "peeky": True,
        "cell": "lstm-peephole",
        "decoder_layers": 1,
    },
}


def shape(name: str, source: int = 11, target: int = 9) -> Shape:
    """A tiny model with the options ``name``."""
    return Shape(source, target, layers=2, hidden_size=6, embedding_size=5, **OPTIONS[name])


def pack(sentences: Sequence[Sequence[int]]) -> PackedSequence:
    return pack_sequence([torch.tensor(each) for each in sentences], enforce_sorted=False)


def log_probs(model: Seq2Seq, source: Sequence[int], target: Sequence[int]) -> Tensor:
    """Of every word at each step of ``target``, by teacher forcing: [steps, vocabulary]."""
    encoded = model.encode(pack([source])) if source else Encoded(no_states(model))
    hidden = model.decode(pack([[EOS, *target]]), encoded)
    result: Tensor = model.softmax(hidden).log_softmax(1)
    return result


def log_prob(model: Seq2Seq, source: Sequence[int], target: Sequence[int]) -> float:
    """Of ``target`` and its end."""
    steps = range(len(target) + 1)
    return float(log_probs(model, source, target)[steps, [*target, EOS]].sum())


def no_states(model: Seq2Seq) -> tuple[Tensor, ...]:
    """Of a decoder that has read nothing."""
    zeros = model.softmax.weight.new_zeros(model.shape.depth, 1, model.shape.width)
    return (zeros,) * len(model.shape.states)


def loss(model: nn.Module, sources: list[list[int]], targets: list[list[int]]) -> Tensor:
    """Of teacher forcing, summed over words."""
    words = pack([[*target, EOS] for target in targets]).data
    total: Tensor = model(pack(sources), pack([[EOS, *target] for target in targets]), words)
    return total
