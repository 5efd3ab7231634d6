"""Texts and models of any size, of words w0, w1, …, so that the work of a run is known exactly."""

import random
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.corpora import Corpora, write
from bench.settings import HOME, Shape


def words(count: int, sentences: int, length: int, seed: int) -> Iterator[str]:
    """Sentences of ``length`` words; all of ``count`` words where there is room."""
    chance = random.Random(seed)
    every = list(range(count))
    chance.shuffle(every)
    room = sentences * length
    every = every[:room] + chance.choices(every, k=max(0, room - count))
    for start in range(0, room, length):
        yield " ".join(f"w{number}" for number in every[start : start + length])


def corpus(
    corpora: Corpora, vocabularies: tuple[int, int], lengths: tuple[int, int], sentences: int
) -> Path:
    """A data directory of random pairs, ready for training.

    Args:
        corpora: where it is made, once.
        vocabularies: rows of the source and of the target table.
        lengths: words of every source and of every target.
        sentences: pairs at least; there are as many as hold every word.
    """
    name = "-".join(map(str, (*vocabularies, *lengths, sentences)))
    folder = corpora.folder / f"random-{name}"
    if not (folder / "data/corpus.json").exists():
        sizes = [rows - 2 for rows in vocabularies]
        pairs = max(sentences, *(-(-n // m) for n, m in zip(sizes, lengths, strict=True)))
        (folder / "raw").mkdir(parents=True, exist_ok=True)
        for language, size, length in zip(("en", "fr"), sizes, lengths, strict=True):
            write(folder / f"raw/train.{language}", words(size, pairs, length, seed=length))
        options = ["--corpus", folder / "raw", "--output", folder / "data", "--tokenised"]
        corpora.s2s("prep", *options, "--reverse-source")
        source, target = map(str, vocabularies)
        sized = ["--source-size", source, "--target-size", target]
        corpora.s2s("vocab", "--data", folder / "data", *sized)
    return folder / "data"


def model(corpora: Corpora, shape: Shape, vocabularies: tuple[int, int]) -> Path:
    """A model directory with random weights that never ends a sentence by itself."""
    sizes = (shape.layers, shape.cells, shape.embedding, *vocabularies)
    folder = model_folder(corpora, shape, vocabularies)
    if not (folder / "best.pt").exists():
        corpora.make([sys.executable, HOME / "random_model.py", folder, *map(str, sizes)])
    return folder


def model_folder(corpora: Corpora, shape: Shape, vocabularies: tuple[int, int]) -> Path:
    sizes = (shape.layers, shape.cells, shape.embedding, *vocabularies)
    return corpora.folder / f"random-model-{'-'.join(map(str, sizes))}"
