"""Parallel text as arrays of word ids, and what is wrong with a pair that cannot be used."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from s2s_cli.errors import UserError
from s2s_cli.files import read_json, read_lines

Array = npt.NDArray[Any]

RESERVED = frozenset({"|||", "<s>", "</s>", "<unk>"})  # words with a meaning in tables and models
LONGEST_PAIR = 100  # words of either side of a training pair; longer ones align badly
LONGEST_SOURCE = 300  # words of a sentence to translate


@dataclass(frozen=True)
class Text:
    """Sentences as ids in one array.

    Attributes:
        words: ids, all sentences one after the other, int32 [words].
        starts: where each sentence begins, and the end of the last, int64 [sentences + 1].
        vocabulary: the word of each id.
    """

    words: Array
    starts: Array
    vocabulary: list[str]

    @property
    def lengths(self) -> Array:
        return np.diff(self.starts)

    def sentence(self, number: int) -> Array:
        """Return the ids of one sentence."""
        return self.words[self.starts[number] : self.starts[number + 1]]


def make_text(sentences: Iterable[list[str]]) -> Text:
    """Number the words in the order of their first occurrence."""
    from array import array

    ids: dict[str, int] = {}
    words, starts = array("i"), array("q", [0])
    for sentence in sentences:
        words.extend([ids.setdefault(word, len(ids)) for word in sentence])
        starts.append(len(words))
    return Text(np.array(words, np.int32), np.array(starts, np.int64), list(ids))


def read_pairs(source: Path, target: Path) -> Iterator[tuple[list[str], list[str]]]:
    """Read the training pairs.

    Raises:
        UserError: the files differ in their number of lines.
    """
    lines = [read_lines(source), read_lines(target)]
    for number, (one, other) in enumerate(zip_lines(*lines), 1):
        if one is None or other is None:
            short = source if one is None else target
            raise UserError(f"{short} ends before line {number} of the other side; prepare it anew")
        yield one.split(), other.split()


def zip_lines(one: Iterator[str], other: Iterator[str]) -> Iterator[tuple[str | None, str | None]]:
    """Pair the lines; None where one side has ended."""
    from itertools import zip_longest

    return zip_longest(one, other)


def is_usable(source: list[str], target: list[str]) -> bool:
    """Check that a pair has two sides of bearable length, and no reserved word."""
    return (
        0 < len(source) <= LONGEST_PAIR
        and 0 < len(target) <= LONGEST_PAIR
        and RESERVED.isdisjoint(source)
        and RESERVED.isdisjoint(target)
    )


def read_corpus(source: Path, target: Path) -> tuple[Text, Text, int]:
    """Read the usable pairs of both files, and count the others.

    Raises:
        UserError: no pair is usable.
    """
    left_out = 0
    targets: list[list[str]] = []

    def usable() -> Iterator[list[str]]:
        nonlocal left_out
        for one, other in read_pairs(source, target):
            if is_usable(one, other):
                targets.append(other)
                yield one
            else:
                left_out += 1

    sources = make_text(usable())
    if not targets:
        raise UserError(f"{source} and {target} have no pair that a system can be made from")
    return sources, make_text(targets), left_out


def read_sentences(path: Path, most: int | None = None) -> list[list[str]]:
    """Read the sentences to translate, or their references; at most ``most``.

    Raises:
        UserError: a sentence has more words than `LONGEST_SOURCE`.
    """
    sentences = []
    for number, line in enumerate(read_lines(path), 1):
        if most is not None and number > most:
            break
        words = line.split()
        if len(words) > LONGEST_SOURCE:
            raise UserError(
                f"{path}:{number}: {len(words)} words; a sentence to translate has at most "
                f"{LONGEST_SOURCE}: split or remove it"
            )
        sentences.append(words)
    return sentences


def languages(data: Path) -> tuple[str, str]:
    """Read the languages of prepared text, in the order of translation.

    Raises:
        UserError: it is no prepared text, or its source is reversed.
    """
    facts = read_json(data / "facts.json")
    if facts.get("reverse_source"):
        raise UserError(
            f"{data} has its source words reversed, which phrases cannot be read from; "
            "prepare it without --reverse-source"
        )
    return str(facts["source_language"]), str(facts["target_language"])
