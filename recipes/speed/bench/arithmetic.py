"""How many multiply-adds the model needs, whatever computes it: the floor under every time.

Counted as `s2s train --measure` counts: a multiply-add is two operations, and what is not a product
with a weight matrix is none.
"""

from collections.abc import Iterable, Sequence

from bench.settings import Shape
from s2s_cli.model import config
from s2s_cli.model.work import decoder_flops, encoder_flops, lstm_flops, softmax_flops

# Forward, and backward for the gradients of what a product reads and of its weights.
FORWARD_AND_BACKWARD = 3


def lstm_word(shape: Shape) -> int:
    """Operations to read one word."""
    return lstm_flops(model(shape, 0), 1)


def target_word(shape: Shape, vocabulary: int) -> int:
    """Operations to read one word and for the distribution of the next."""
    return lstm_word(shape) + softmax_flops(model(shape, vocabulary), 1)


def model(shape: Shape, vocabulary: int) -> config.Shape:
    """The shape as s2s has it; the rows of the source table cost no product."""
    return config.Shape(
        source_vocabulary=0,
        target_vocabulary=vocabulary,
        layers=shape.layers,
        hidden_size=shape.cells // shape.directions,
        embedding_size=shape.embedding,
        bidirectional=shape.directions > 1,
        decoder_hidden_size=shape.cells if shape.directions > 1 else 0,
        bridge="linear" if shape.directions > 1 else "copy",
        attention="general" if shape.attention else "none",
    )


def training(
    shape: Shape, vocabulary: int, pairs: int, source_words: int, target_words: int
) -> int:
    """Operations of one pass over a corpus; every target ends with one word more, its end."""
    of_s2s, steps = model(shape, vocabulary), target_words + pairs
    read = encoder_flops(of_s2s, source_words)
    written = decoder_flops(of_s2s, steps) + softmax_flops(of_s2s, steps)
    if shape.attention:  # queries of the general score
        written += 2 * steps * of_s2s.width * of_s2s.vector_size
    if of_s2s.bridge == "linear":  # all last states, hidden and cell, to all first ones
        read += 2 * pairs * (2 * shape.layers * shape.cells) ** 2
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
