"""Make a model directory of s2s from the weights of peers/plain.py, so that all decode one model.

The plain reference numbers its symbols 0 to 3 (padding, start, end, unknown) and its words from 4;
s2s has two symbols, `EOS` and `UNK`. Its decoder starts from `EOS`, so that row of the target
embeddings is the plain model's start, and that row of the softmax its end.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from s2s_cli.model.config import Shape
from s2s_cli.model.description import BEST, Description
from s2s_cli.model.directory import save_tensors
from s2s_cli.text.facts import Facts
from s2s_cli.text.vocabulary import SYMBOLS, Vocabulary

START, END, UNKNOWN, FIRST_WORD = 1, 2, 3, 4


def converted(plain: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of `s2s_cli.model.seq2seq.Seq2Seq` out of those of the plain reference."""
    output = rows(plain["out.weight"], END)
    weights = {
        "source_embedding.weight": rows(plain["se.weight"], END),
        "target_embedding.weight": rows(plain["te.weight"], START),
        "softmax.weight": output,
        "softmax.bias": rows(plain["out.bias"], END)
        if "out.bias" in plain
        else torch.zeros(len(output)),
    }
    for name, tensor in plain.items():
        part, _, rest = name.partition(".")
        if part in ("enc", "dec"):
            weights[f"{part}oder.{rest}"] = tensor
    return weights


def rows(table: Tensor, eos: int) -> Tensor:
    """The rows of ``table`` [vocabulary, …] in the order of s2s: `EOS`, `UNK`, the words."""
    return torch.cat([table[[eos, UNKNOWN]], table[FIRST_WORD:]])


def shape(weights: dict[str, Tensor]) -> Shape:
    layers = sum(name.startswith("encoder.weight_ih_l") for name in weights)
    target, cells = weights["softmax.weight"].shape
    source, embedding = weights["source_embedding.weight"].shape
    return Shape(source, target, layers, cells, embedding)


def main() -> None:
    parser = argparse.ArgumentParser(description="A model directory from plain.py's weights.")
    parser.add_argument("weights", type=Path, help="what `plain.py train --model` wrote")
    parser.add_argument("data", type=Path, help="the folder with vocab.en and vocab.fr")
    parser.add_argument("model", type=Path, help="the model directory to write")
    given = parser.parse_args()
    weights = converted(torch.load(given.weights, map_location="cpu", weights_only=True))
    vocabularies = [Vocabulary.read(given.data / f"vocab.{each}") for each in ("en", "fr")]
    found = shape(weights)
    if [found.source_vocabulary, found.target_vocabulary] != list(map(len, vocabularies)):
        raise SystemExit(
            f"{given.weights}: not trained with the {SYMBOLS} symbols and the words "
            f"of {given.data}/vocab.*"
        )
    given.model.mkdir(parents=True, exist_ok=True)
    facts = Facts("en", "fr", tokenised=False, reverse_source=True, tokeniser="sacremoses")
    source, target = vocabularies
    Description(found, facts, source, target).write(given.model)
    save_tensors(given.model / BEST, {"model": weights})


if __name__ == "__main__":
    main()
