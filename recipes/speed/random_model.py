"""Write a model directory with random weights, of any size.

Such a model never takes `EOS`, whose logit is far below all others: a search goes on to the length
limit, so that its work is known.
"""

import argparse
from pathlib import Path

import torch

from s2s_cli.model.config import Shape
from s2s_cli.model.description import BEST, Description
from s2s_cli.model.directory import save_tensors
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.text.facts import Facts
from s2s_cli.text.vocabulary import EOS, SYMBOLS, Vocabulary

NEVER = -1e4
BOUND = 0.08


def vocabulary(rows: int) -> Vocabulary:
    words = [f"w{number}" for number in range(rows - SYMBOLS)]
    return Vocabulary(words, [1] * len(words))


def main() -> None:
    parser = argparse.ArgumentParser(description="A model directory with random weights.")
    parser.add_argument("model", type=Path, help="the model directory to write")
    for name in ("layers", "cells", "embedding", "source_rows", "target_rows"):
        parser.add_argument(name, type=int)
    given = parser.parse_args()
    sizes = given.source_rows, given.target_rows
    shape = Shape(*sizes, given.layers, given.cells, given.embedding)
    network = Seq2Seq(shape)
    network.initialise(BOUND, torch.Generator().manual_seed(1))
    with torch.no_grad():
        network.softmax.bias[EOS] = NEVER
    given.model.mkdir(parents=True, exist_ok=True)
    facts = Facts("en", "fr", tokenised=True, reverse_source=True, tokeniser="none")
    source, target = map(vocabulary, sizes)
    Description(shape, facts, source, target).write(given.model)
    save_tensors(given.model / BEST, {"model": network.state_dict()})


if __name__ == "__main__":
    main()
