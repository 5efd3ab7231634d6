"""The features of a translation under the names of Moses, and their weights."""

import itertools
from collections.abc import Sequence
from pathlib import Path

from s2s_cli.errors import UserError
from s2s_cli.files import read_lines, replacing
from s2s_cli.text.nbest import format_entry

LAYOUT = (
    ("LexicalReordering0", 6),
    ("Distortion0", 1),
    ("LM0", 1),
    ("WordPenalty0", 1),
    ("PhrasePenalty0", 1),
    ("TranslationModel0", 4),
)
BACKWARD, FORWARD = 0, 3  # of the reordering scores, three each
DISTORTION, LM, WORDS, PHRASES, TRANSLATION = 6, 7, 8, 9, 10
COUNT = 14
FIRST_WEIGHTS = (*[0.3] * 6, 0.3, 0.5, -1.0, 0.2, *[0.2] * 4)  # those of Moses before tuning
UNKNOWN_WORD = -100.0  # added to a score for each word that is copied; no feature, as in Moses


def weighted(weights: Sequence[float], features: Sequence[float]) -> float:
    """The score of features."""
    return sum(map(float.__mul__, weights, features))


def nbest_line(segment: int, words: str, features: Sequence[float], total: float) -> str:
    """Format an entry of an n-best list."""
    values = iter(features)
    named = [(name, list(itertools.islice(values, many))) for name, many in LAYOUT]
    return format_entry(segment, words, named, total) + "\n"


def write_weights(weights: Sequence[float], path: Path) -> None:
    """Write weights as Moses does in its ``moses.ini``."""
    values = iter(weights)
    lines = [
        f"{name}= " + " ".join(f"{value:.7g}" for value in itertools.islice(values, many))
        for name, many in LAYOUT
    ]
    with replacing(path) as out:
        out.write("\n".join(["[weight]", *lines, ""]).encode())


def read_weights(path: Path) -> list[float]:
    """Read what `write_weights` wrote.

    Raises:
        UserError: a feature is missing, or has another number of weights.
    """
    lines = dict(line.split("= ", 1) for line in read_lines(path) if "= " in line)
    weights: list[float] = []
    for name, many in LAYOUT:
        values = lines.get(name, "").split()
        if len(values) != many:
            raise UserError(f"{path}: {name} needs {many} weights and has {len(values)}")
        weights += map(float, values)
    return weights
