"""Print whether the encoder puts phrases of one meaning beside each other (Figure 2, in numbers).

Each file has groups of phrases of one meaning; blank lines part them. Two numbers for each file, as
a table in Markdown:

- nearest neighbour: the share of phrases whose nearest other phrase is of their group; of several
  as near, the share of those
- silhouette (Rousseeuw 1987): from -1 to 1, the mean over phrases of (b - a) / max(a, b), where a
  is the mean distance to the others of the group, and b that to the nearest other group

Beside the encoder's states stand bags of words, for which word order is nothing, and what chance
gives. Distances are Euclidean.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from s2s_cli.api import Translator
from s2s_cli.errors import UserError
from s2s_cli.files import read_lines

sys.path.insert(0, str(Path(__file__).parents[1]))
from pages import format_table

ROUNDING = 1e-9  # of distances, relative: those that differ by less are equal


def read_phrases(path: Path) -> tuple[list[str], np.ndarray]:
    """Read phrases, and the number of each one's group.

    Raises:
        UserError: fewer than two groups, or one of a single phrase.
    """
    phrases: list[str] = []
    groups: list[int] = []
    number = 0
    for line in read_lines(path):
        if line.strip():
            phrases.append(line.strip())
            groups.append(number)
        else:
            number += 1
    _, sizes = np.unique(groups, return_counts=True)
    if len(sizes) < 2 or min(sizes) < 2:
        raise UserError(f"{path}: needs two groups of two phrases at least, with a blank between")
    return phrases, np.array(groups)


def bags_of_words(phrases: Sequence[str]) -> np.ndarray:
    """Counts of the words of each phrase, without case and punctuation, [phrases, words]."""
    split = [phrase.lower().replace(".", "").replace(",", "").split() for phrase in phrases]
    words = sorted({word for each in split for word in each})
    return np.array([[each.count(word) for word in words] for each in split], float)


def distances(vectors: np.ndarray) -> np.ndarray:
    """Euclidean distances between all, [phrases, phrases]."""
    return np.asarray(np.linalg.norm(vectors[:, None] - vectors[None], axis=-1))


def nearest_share(apart: np.ndarray, groups: np.ndarray) -> float:
    """Share of phrases whose nearest other phrase is of their group."""
    shares = []
    for number, row in enumerate(apart):
        others = np.arange(len(row)) != number
        nearest = others & (row <= row[others].min() * (1 + ROUNDING))
        shares.append(np.mean(groups[nearest] == groups[number]))
    return float(np.mean(shares))


def silhouette(apart: np.ndarray, groups: np.ndarray) -> float:
    """The mean silhouette of all phrases."""
    values = []
    for number, row in enumerate(apart):
        own = groups == groups[number]
        inside = row[own].sum() / (own.sum() - 1)
        outside = min(row[groups == each].mean() for each in set(groups[~own]))
        largest = max(inside, outside)
        values.append((outside - inside) / largest if largest else 0.0)
    return float(np.mean(values))


def expected_share(groups: np.ndarray) -> float:
    """What `nearest_share` would be if the nearest were any of the others."""
    sizes = [int((groups == each).sum()) for each in groups]
    return sum((size - 1) / (len(groups) - 1) for size in sizes) / len(groups)


def make_rows(path: Path, translator: Translator) -> Iterator[list[str]]:
    phrases, groups = read_phrases(path)
    kind = path.stem.replace("_", " ")
    size = f"{len(phrases)} in {len(set(groups))}"
    states = translator.encode(phrases).double().numpy()
    for name, vectors in (("states", states), ("bags of words", bags_of_words(phrases))):
        apart = distances(vectors)
        shares = (
            f"{100 * nearest_share(apart, groups):.0f} %",
            f"{silhouette(apart, groups):+.2f}",
        )
        yield [f"{kind}: {name}", size, *shares]
    yield [f"{kind}: by chance", size, f"{100 * expected_share(groups):.0f} %", ""]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure whether phrases cluster by meaning.")
    parser.add_argument("phrases", type=Path, nargs="+", help="files of groups of phrases")
    parser.add_argument("--model", type=Path, required=True)
    given = parser.parse_args()
    try:
        translator = Translator(given.model, device="cpu", threads=1)
        rows = [row for path in given.phrases for row in make_rows(path, translator)]
    except UserError as error:
        sys.exit(f"neighbours.py: {error}")
    head = ["", "phrases in groups", "nearest neighbour of the group", "silhouette"]
    sys.stdout.write(format_table([head, *rows]) + "\n")


if __name__ == "__main__":
    main()
