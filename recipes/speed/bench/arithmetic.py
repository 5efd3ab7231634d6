"""How many multiply-adds the model needs, whatever computes it: the floor under every time.

A multiply-add counts as two operations. What is not a product with a weight matrix is not counted.
"""

from collections.abc import Iterable, Sequence

from bench.settings import Shape

# Forward, and backward for the gradients of what a product reads and of its weights.
FORWARD_AND_BACKWARD = 3


def lstm_word(shape: Shape) -> int:
    """Operations to read one word: four gates of each cell, from the input and the state."""
    layers = [shape.embedding, *[shape.cells] * (shape.layers - 1)]
    return sum(2 * 4 * shape.cells * (size + shape.cells) for size in layers)


def softmax_word(shape: Shape, vocabulary: int) -> int:
    """Operations for the distribution of one word."""
    return 2 * shape.cells * vocabulary


def target_word(shape: Shape, vocabulary: int) -> int:
    return lstm_word(shape) + softmax_word(shape, vocabulary)


def training(
    shape: Shape, vocabulary: int, pairs: int, source_words: int, target_words: int
) -> int:
    """Operations of one pass over a corpus; every target ends with one word more, its end."""
    read = source_words * lstm_word(shape)
    written = (target_words + pairs) * target_word(shape, vocabulary)
    return FORWARD_AND_BACKWARD * (read + written)


def decoding(
    shape: Shape, vocabulary: int, sources: Sequence[int], outputs: Sequence[int], beam: int
) -> int:
    """The fewest operations of a beam search that found ``outputs`` for ``sources`` (in words).

    The first step has one hypothesis. From then on the beam is full, until the end of the best
    translation; a search may have to go on, to be sure that nothing overtakes it.
    """
    read = sum(sources) * lstm_word(shape)
    rows = sum(1 + beam * words for words in outputs)
    return read + rows * target_word(shape, vocabulary)


def rescoring(shape: Shape, vocabulary: int, source_words: int, prefixes: int) -> int:
    """Operations to score lists that have so many distinct prefixes, the empty one counted."""
    return source_words * lstm_word(shape) + prefixes * target_word(shape, vocabulary)


def distinct_prefixes(hypotheses: Iterable[Sequence[str]]) -> int:
    """How many there are in one list, the empty one and whole hypotheses counted."""
    prefixes: set[tuple[str, ...]] = {()}
    for words in hypotheses:
        prefixes.update(tuple(words[: end + 1]) for end in range(len(words)))
    return len(prefixes)
