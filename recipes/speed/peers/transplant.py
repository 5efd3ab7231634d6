"""Put the weights of plain.py into a peer's own checkpoint, so that all decode one model.

Run with the peer's Python. Source words must then be fed last word first: the peers read a line
as it stands.
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

PADDING, START, END, UNKNOWN = range(4)
WORDS = slice(4, None)
PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
NEVER = -1e4  # logit of padding and start, which no peer may write
EMBEDDING = "embeddings.make_embedding.emb_luts.0.weight"


def reordered(table: Tensor, symbols: list[int]) -> Tensor:
    """The rows of ``symbols``, in this order, then those of the words."""
    return torch.cat([table[symbols], table[WORDS]])


def put(tensors: dict[str, Tensor], name: str, value: Tensor) -> None:
    assert tensors[name].shape == value.shape, (name, tensors[name].shape, value.shape)
    tensors[name] = value.clone()


def bias(size: int, symbols: list[int]) -> Tensor:
    values = torch.zeros(size)
    values[[symbols.index(PADDING), symbols.index(START)]] = NEVER
    return values


def into_opennmt(plain: dict[str, Tensor], checkpoint: dict[str, Any], layers: int) -> None:
    model, symbols = checkpoint["model"], [UNKNOWN, PADDING, START, END]
    for side, name in (("encoder", "se"), ("decoder", "te")):
        put(model, f"{side}.{EMBEDDING}", reordered(plain[f"{name}.weight"], symbols))
        for layer in range(layers):
            for part in PARTS:
                value = plain[f"{side[:3]}.{part}_l{layer}"]
                put(model, f"{side}.rnn.{part}_l{layer}", value)
    output = reordered(plain["out.weight"], symbols)
    put(checkpoint["generator"], "weight", output)
    put(checkpoint["generator"], "bias", bias(len(output), symbols))


def into_fairseq(plain: dict[str, Tensor], checkpoint: dict[str, Any], layers: int) -> None:
    model, symbols = checkpoint["model"], [START, PADDING, END, UNKNOWN]
    put(model, "encoder.embed_tokens.weight", reordered(plain["se.weight"], symbols))
    # Its decoder starts from the end of sentence: that row is the start's.
    table = reordered(plain["te.weight"], [START, PADDING, START, UNKNOWN])
    put(model, "decoder.embed_tokens.weight", table)
    for layer in range(layers):
        for part in PARTS:
            put(model, f"encoder.lstm.{part}_l{layer}", plain[f"enc.{part}_l{layer}"])
            value, name = plain[f"dec.{part}_l{layer}"], f"decoder.layers.{layer}.{part}"
            # Its first layer also reads the last output: weights of zero.
            if value.dim() == 2:
                padding = model[name].shape[1] - value.shape[1]
                value = torch.cat([value, value.new_zeros(len(value), padding)], 1)
            put(model, name, value)
    output = reordered(plain["out.weight"], symbols)
    put(model, "decoder.fc_out.weight", output)
    put(model, "decoder.fc_out.bias", bias(len(output), symbols))


def main() -> None:
    parser = argparse.ArgumentParser(description="plain.py's weights in a peer's checkpoint.")
    parser.add_argument("peer", choices=["opennmt", "fairseq"])
    parser.add_argument("plain", type=Path, help="what `plain.py train --model` wrote")
    parser.add_argument("checkpoint", type=Path, help="any checkpoint of the peer, of that shape")
    parser.add_argument("output", type=Path)
    given = parser.parse_args()
    plain = torch.load(given.plain, map_location="cpu", weights_only=True)
    # The peers keep their settings in it as objects of their own.
    checkpoint = torch.load(given.checkpoint, map_location="cpu", weights_only=False)
    layers = sum(name.startswith("enc.weight_ih_l") for name in plain)
    {"opennmt": into_opennmt, "fairseq": into_fairseq}[given.peer](plain, checkpoint, layers)
    torch.save(checkpoint, given.output)


if __name__ == "__main__":
    main()
