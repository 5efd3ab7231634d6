"""Write a parallel corpus of number phrases: English (British style) and French.

    291  two hundred and ninety-one  deux cent quatre-vingt-onze

The numbers lie in 0 .. 999,999 and are drawn without repetition, so no number of the test set was
ever seen in training. French has its irregularities: et in 21 and 71 but not in 81, the s of
quatre-vingts and cents that is lost before another numeral, mille that is never "un mille".
"""

import argparse
import random
from collections.abc import Callable, Iterator
from pathlib import Path

LIMIT = 1_000_000

# ruff: noqa: SIM905 - a line of words reads better than a column of quoted ones
ENGLISH_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split(" ")
ENGLISH_TENS = ". . twenty thirty forty fifty sixty seventy eighty ninety".split(" ")
FRENCH_SMALL = (
    "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize"
).split(" ")
FRENCH_TENS = ". dix vingt trente quarante cinquante soixante soixante quatre-vingt".split(" ")


def english(number: int) -> str:
    """Write ``number`` (0 .. 999,999) in English."""
    thousands, rest = divmod(number, 1000)
    if not thousands:
        return english_below_1000(rest)
    phrase = english_below_1000(thousands) + " thousand"
    if not rest:
        return phrase
    return f"{phrase} {'and ' if rest < 100 else ''}{english_below_1000(rest)}"


def english_below_1000(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    if not hundreds:
        return english_below_100(rest)
    phrase = f"{ENGLISH_SMALL[hundreds]} hundred"
    return f"{phrase} and {english_below_100(rest)}" if rest else phrase


def english_below_100(number: int) -> str:
    if number < 20:
        return ENGLISH_SMALL[number]
    tens, unit = divmod(number, 10)
    return f"{ENGLISH_TENS[tens]}-{ENGLISH_SMALL[unit]}" if unit else ENGLISH_TENS[tens]


def french(number: int) -> str:
    """Write ``number`` (0 .. 999,999) in French, in the spelling from before 1990."""
    thousands, rest = divmod(number, 1000)
    if not thousands:
        return french_below_1000(rest, last=True)
    # A numeral before mille is not the last one: quatre-vingt mille, deux cent mille.
    phrase = "mille" if thousands == 1 else french_below_1000(thousands, last=False) + " mille"
    return f"{phrase} {french_below_1000(rest, last=True)}" if rest else phrase


def french_below_1000(number: int, last: bool) -> str:
    hundreds, rest = divmod(number, 100)
    if not hundreds:
        return french_below_100(rest, last)
    phrase = "cent" if hundreds == 1 else f"{FRENCH_SMALL[hundreds]} cent"
    if rest:
        return f"{phrase} {french_below_100(rest, last)}"
    return phrase + "s" if hundreds > 1 and last else phrase


def french_below_100(number: int, last: bool) -> str:
    if number < len(FRENCH_SMALL):
        return FRENCH_SMALL[number]
    if number == 80:
        return "quatre-vingts" if last else "quatre-vingt"
    tens, unit = divmod(number, 10)
    if tens in (7, 9):  # counted on from sixty and from eighty
        tens, unit = tens - 1, unit + 10
    if not unit:
        return FRENCH_TENS[tens]
    joint = " et " if unit in (1, 11) and 2 <= tens <= 6 else "-"
    below_20 = FRENCH_SMALL[unit] if unit < len(FRENCH_SMALL) else f"dix-{FRENCH_SMALL[unit - 10]}"
    return below_20 if tens == 1 and unit > 10 else FRENCH_TENS[tens] + joint + below_20


def distinct_numbers(seed: int) -> Iterator[int]:
    """Draw numbers without repetition, short and long ones alike (one to six digits, evenly)."""
    draw = random.Random(seed)
    seen: set[int] = set()
    while len(seen) < LIMIT:
        number = draw.randrange(10 ** draw.randint(1, 6))
        if number not in seen:
            seen.add(number)
            yield number


def write_corpus(directory: Path, sizes: dict[str, int], seed: int) -> None:
    """Write ``directory/{train,valid,test}.{en,fr}``; a number stands in one of them at most."""
    directory.mkdir(parents=True, exist_ok=True)
    drawn = distinct_numbers(seed)
    pool = [next(drawn) for _ in range(sum(sizes.values()))]
    # The short numbers come early in the draw because they run out: mix before splitting.
    random.Random(seed).shuffle(pool)
    for name, size in sizes.items():
        part, pool = pool[:size], pool[size:]
        write_side(directory / f"{name}.en", part, english)
        write_side(directory / f"{name}.fr", part, french)


def write_side(path: Path, numbers: list[int], phrase: Callable[[int], str]) -> None:
    path.write_bytes("".join(f"{phrase(each)}\n" for each in numbers).encode())


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a corpus of English and French numbers.")
    parser.add_argument("directory", type=Path, help="where train, valid and test are written")
    parser.add_argument("--train", type=int, default=12_000, help="pairs (default: %(default)s)")
    parser.add_argument("--valid", type=int, default=500, help="pairs (default: %(default)s)")
    parser.add_argument("--test", type=int, default=1_000, help="pairs (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the draw (default: %(default)s)")
    given = parser.parse_args()
    sizes = {"train": given.train, "valid": given.valid, "test": given.test}
    if min(sizes.values()) < 0 or sum(sizes.values()) > LIMIT:
        parser.error(f"there are {LIMIT:,} numbers to draw from, and no negative counts")
    write_corpus(given.directory, sizes, given.seed)


if __name__ == "__main__":
    main()
