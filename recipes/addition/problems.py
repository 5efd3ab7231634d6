"""Write additions and their sums as characters, separated by spaces.

    5 7 + 5     6 2

Each number has one to three digits, as likely as each other, so it lies in 0 .. 999. No problem
comes twice, not even with its numbers exchanged: none of the test set was ever seen in training.
"""

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

MOST_DIGITS = 3
SIDES = ("problem", "sum")


def draw_problems(seed: int, most_digits: int) -> Iterator[tuple[int, int]]:
    """Draw pairs of numbers of one to ``most_digits`` digits, none twice in either order."""
    draw = random.Random(seed)
    seen: set[tuple[int, int]] = set()
    while len(seen) < count_problems(most_digits):
        first, second = (draw.randrange(10 ** draw.randint(1, most_digits)) for _ in range(2))
        pair = min(first, second), max(first, second)
        if pair not in seen:
            seen.add(pair)
            yield first, second


def count_problems(most_digits: int) -> int:
    """Number of problems with numbers of up to so many digits."""
    numbers: int = 10**most_digits
    return numbers * (numbers + 1) // 2


def write_corpus(directory: Path, sizes: dict[str, int], seed: int, most_digits: int) -> None:
    """Write ``directory/{train,valid,test}.{problem,sum}``, drawn by ``seed``."""
    directory.mkdir(parents=True, exist_ok=True)
    source = draw_problems(seed, most_digits)
    pool = [next(source) for _ in range(sum(sizes.values()))]
    # Problems with short numbers come early in the draw because they run out: mix before splitting.
    random.Random(seed).shuffle(pool)
    for name, size in sizes.items():
        part, pool = pool[:size], pool[size:]
        write_side(directory / f"{name}.problem", [f"{one}+{two}" for one, two in part])
        write_side(directory / f"{name}.sum", [str(one + two) for one, two in part])


def write_side(path: Path, texts: list[str]) -> None:
    path.write_bytes("".join(" ".join(text) + "\n" for text in texts).encode())


def main() -> None:
    parser = argparse.ArgumentParser(description="Write additions and their sums as characters.")
    parser.add_argument("directory", type=Path, help="where train, valid and test are written")
    parser.add_argument("--train", type=int, default=44_500, help="problems (%(default)s)")
    parser.add_argument("--valid", type=int, default=500, help="problems (%(default)s)")
    parser.add_argument("--test", type=int, default=5_000, help="problems (%(default)s)")
    parser.add_argument("--digits", type=int, default=MOST_DIGITS, help="at most (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the draw (%(default)s)")
    given = parser.parse_args()
    sizes = {"train": given.train, "valid": given.valid, "test": given.test}
    if not 1 <= given.digits <= 9:
        parser.error("--digits is a number from 1 to 9")
    there_are = count_problems(given.digits)
    if min(sizes.values()) < 0 or sum(sizes.values()) > there_are:
        parser.error(f"there are {there_are:,} problems to draw from, and no negative counts")
    write_corpus(given.directory, sizes, given.seed, given.digits)


if __name__ == "__main__":
    main()
