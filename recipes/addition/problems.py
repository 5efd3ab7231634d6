"""Sums of two numbers below 1000 as characters: ``5 7 + 5`` → ``6 2``.

``python3 problems.py DIRECTORY`` writes {train,valid,test}.{sum,total} there, 50,000 problems, none
of them twice. The same seed gives the same problems.
"""

import argparse
import random
from collections.abc import Iterable
from pathlib import Path


def problems(count: int, below: int, seed: int) -> list[tuple[int, int]]:
    """So many different pairs of numbers, drawn with equal chances."""
    drawn = random.Random(seed).sample(range(below * below), count)
    return [divmod(each, below) for each in drawn]


def write(directory: Path, split: str, pairs: Iterable[tuple[int, int]]) -> None:
    """Both sides of a split, with spaces between the characters."""
    pairs = list(pairs)
    sums = [f"{one}+{other}" for one, other in pairs]
    totals = [str(one + other) for one, other in pairs]
    for suffix, lines in (("sum", sums), ("total", totals)):
        text = "".join(" ".join(line) + "\n" for line in lines)
        (directory / f"{split}.{suffix}").write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--train", type=int, default=45_000)
    parser.add_argument("--valid", type=int, default=500)
    parser.add_argument("--test", type=int, default=4_500)
    parser.add_argument("--below", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    given.directory.mkdir(parents=True, exist_ok=True)
    sizes = {split: getattr(given, split) for split in ("train", "valid", "test")}
    pairs = iter(problems(sum(sizes.values()), given.below, given.seed))
    for split, size in sizes.items():
        write(given.directory, split, [next(pairs) for _ in range(size)])


if __name__ == "__main__":
    main()
