"""A warning of a model that has far more weights than its training text has words."""

from s2s_cli.console import warn
from s2s_cli.data.corpus import Corpus
from s2s_cli.model.config import PRESET_MODELS, Preset, Shape
from s2s_cli.model.parameters import parameter_counts

# Weights for each running word of both languages. Models that are known to learn have fewer:
#
#     0.6  the paper: 384 M weights, 652 M words (§3.1, §3.4)
#     2    numbers_en_fr, 1 × 128 on 12,000 phrases
#     8    multi30k_en_fr, 1 × 256 on 29,000 pairs
#     18   the same with 1 × 512, its best (28 with all words in the vocabularies)
#
# The paper's model, the default, has 125 on the 29,000 pairs of Multi30k and 454 on number phrases.
# The bound is about twice the most that is known to learn.
MOST_WEIGHTS_PER_WORD = 50


def warn_of_size(corpus: Corpus, shape: Shape) -> None:
    """Warn of far more weights than there are words to learn them from, and say what to do."""
    words, weights = training_words(corpus), count_weights(shape)
    if weights <= MOST_WEIGHTS_PER_WORD * words:
        return
    preset = smaller_preset(shape, words)
    remedy = f"for a smaller model: `s2s init --preset {preset}`" if preset else "find more text"
    warn(
        f"{weights:,} weights are too many for the {words:,} words of the training text, "
        f"{weights / words:,.0f} for each; models known to learn well have fewer than "
        f"{MOST_WEIGHTS_PER_WORD}; {remedy}"
    )


def training_words(corpus: Corpus) -> int:
    """Running words of the training text, both languages together."""
    return sum(int(side.offsets[-1]) for side in (corpus.train.source, corpus.train.target))


def count_weights(shape: Shape) -> int:
    return sum(parameter_counts(shape).values())


def smaller_preset(shape: Shape, words: int) -> Preset | None:
    """Choose the larger preset that suits so many ``words``, else the smallest; or none."""
    choices: list[Preset] = ["small", "toy"]
    sizes = {
        each: count_weights(
            Shape.of(PRESET_MODELS[each], shape.source_vocabulary, shape.target_vocabulary)
        )
        for each in choices
    }
    fitting = [each for each in choices if sizes[each] <= MOST_WEIGHTS_PER_WORD * words]
    preset = fitting[0] if fitting else choices[-1]
    return preset if sizes[preset] < count_weights(shape) else None
