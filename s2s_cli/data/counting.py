"""Count of the words of prepared text, and choice of the most frequent."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path

from s2s_cli.console import progress_over
from s2s_cli.errors import UserError
from s2s_cli.files import count_lines, read_lines
from s2s_cli.text.vocabulary import SYMBOLS, Vocabulary


def read_word_lines(path: Path) -> Iterator[list[str]]:
    """Yield the words of each line of prepared text.

    Raises:
        UserError: a blank line or a doubled space, which ``prep`` never writes here.
    """
    for number, line in enumerate(read_lines(path), 1):
        words = line.split(" ")
        if "" in words:
            raise UserError(
                f"{path}:{number}: blank line or doubled space; text for training must come from "
                "`s2s prep`"
            )
        yield words


def count_words(path: Path) -> Counter[str]:
    """Count the occurrences of each word in a file of prepared text."""
    total = partial(count_lines, path)
    with progress_over(read_word_lines(path), f"counting {path.name}", total, "lines") as lines:
        return Counter(chain.from_iterable(lines))


def most_frequent(counts: Counter[str], size: int, min_count: int) -> Vocabulary:
    """Choose at most ``size`` rows, the two symbols counted; ties go to the lower code points."""
    frequent = [(word, count) for word, count in counts.items() if count >= min_count]
    frequent.sort(key=lambda entry: (-entry[1], entry[0]))
    chosen = frequent[: size - SYMBOLS]
    return Vocabulary([word for word, _ in chosen], [count for _, count in chosen])
