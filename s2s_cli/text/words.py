"""Split running text into words by the rules of Moses, one chunk between spaces at a time.

The rules are those of ``tokenizer.perl`` of Moses, with a few that it lacks: a word keeps its
combining marks and joiners, an emoji stays whole, an address is one word, the typographic
apostrophe is one, and apostrophes and colons stay inside words where the language spells so.

Only one rule looks across a space, so the words of a chunk are worked out once and remembered.
The exception is a full stop at the end of a chunk: whether it belongs to the word depends on what
comes next.
"""

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Literal

import regex

from s2s_cli.text.languages import (
    COLON_BEFORE_ENDING,
    CONTRACTING,
    ELIDING,
    GERSHAYIM,
    Language,
    abbreviated,
    abbreviation_lists,
)

# What follows a full stop: nothing on its line, or a word that begins so.
Sequel = Literal["end", "small", "digit", "other"]

# The mark of the OpenNMT tokenizer, and what it writes for one that stands in the text.
JOINER, LIKE_JOINER = "\uffed", "\u25a0"
MOST_REMEMBERED = 1 << 17  # chunks
LONGEST_REMEMBERED = 64  # characters

# Zero-width joiner and non-joiner are part of the spelling (Persian, Indic, emoji).
LETTER_OR_MARK = r"[\p{Alphabetic}\p{M}\u200c\u200d]"
ALNUM = r"[\p{Alphabetic}\p{M}\p{N}\u200c\u200d]"
APOSTROPHE = "['’]"
# Spaces that group digits, and marks that do.
DIGIT_SPACE = "[\u00a0\u2007\u2009\u202f]"
DIGIT_MARK = "[,\u066b\u066c\u2044]"
# Marks of Catalan, Hebrew, Armenian and Tibetan spelling, and hyphens that are none in ASCII.
SPELLING_MARK = "[·\u2027\u05be\u05f3\u05f4\u055b\u055c\u055e\u0f0b\u2010\u2011]"
ADDRESS = (
    r"(?:(?:https?|ftp)://|www\.)\S+?(?=[.,;:!?\"'’”»)\]}…]*+$)"
    r"|[\w.+-]++@[\w-]++(?:\.[\w-]+)*\.\p{L}{2,}"
)
EMOTICON = r"^(?:[:;]-?[()DP]|<3|[-=]>)$"
# Most chunks are letters and digits alone, or those and one of these.
PLAIN_ENDS = frozenset(',;:!?)]}»”"')


class WordSplitter:
    """Splitter of the words of one language, which remembers chunks."""

    def __init__(self, language: Language, *, joiners: bool = False) -> None:
        """Read the abbreviations of ``language``; of one without, nothing is an abbreviation.

        ``joiners``: a `JOINER` marks where words stood beside each other without a space.
        """
        self.joiners = joiners
        self.abbreviations, self.before_digits = read_abbreviations(language)
        self._words = word_pattern(language)
        self._remembered: dict[str, str] = {}

    def split_block(self, block: str) -> str:
        r"""Split each line of ``block`` into words, with one space between them.

        Args:
            block: lines, each ending with ``\n``, whose only white space is that and the space.
        """
        if len(self._remembered) > MOST_REMEMBERED:
            self._remembered.clear()
        # A chunk at the end of a line keeps the line end, by which it is known to be the last.
        chunks = block.replace("\n", "\n ").split(" ")
        chunks.pop()
        found = list(map(self._remembered.get, chunks))
        for place in places_of_none(found):
            found[place] = self._look_up(chunks, place)
        return " ".join(filter(None, found)).replace("\n ", "\n").replace(" \n", "\n")

    def _look_up(self, chunks: list[str], place: int) -> str:
        """Split a chunk that is not remembered by itself."""
        chunk = chunks[place]
        key, sequel = chunk, sequel_of("")
        if chunk.endswith("."):
            sequel = sequel_of(next(filter(None, islice(chunks, place + 1, None)), ""))
            key = f"{chunk} {sequel}"
            if (words := self._remembered.get(key)) is not None:
                return words
        end = "\n" if chunk.endswith("\n") else ""
        split = self.split_chunk(chunk.removesuffix("\n"), sequel)
        words = " ".join(mark_joins(split) if self.joiners else split) + end
        if len(key) <= LONGEST_REMEMBERED:
            self._remembered[key] = words
        return words

    def split_chunk(self, chunk: str, sequel: Sequel) -> list[str]:
        """Split text without a space; ``sequel`` comes after the space behind it."""
        if chunk.isalnum():
            return [chunk]
        if not chunk:
            return []
        if chunk[-1:] in PLAIN_ENDS and chunk[:-1].isalnum():
            return [chunk[:-1], chunk[-1]]
        words = []
        parts = self._words.findall(chunk)
        for part, following in zip(parts, [*parts[1:], ""], strict=True):
            if part.endswith(".") and len(part) > 1 and part[-2] != ".":
                after = sequel_of(following) if following else sequel
                if not self._is_abbreviation(part[:-1], after):
                    words += [part[:-1], "."]
                    continue
            words.append(part)
        return words

    def _is_abbreviation(self, word: str, sequel: Sequel) -> bool:
        """Decide whether the full stop after ``word`` belongs to it."""
        match sequel:
            case "end":
                return False
            case "small":
                return True
            case "digit" if word in self.before_digits:
                return True
            case _:
                dotted = "." in word and regex.search(LETTER_OR_MARK, word) is not None
                return dotted or word in self.abbreviations


def mark_joins(words: list[str]) -> list[str]:
    """Mark the words of a chunk, each at the side where it stood beside another: ``l'￭ eau ￭.``."""
    marked = [word.replace(JOINER, LIKE_JOINER) for word in words]
    for place in range(1, len(words)):
        if words[place][0].isalnum():
            marked[place - 1] += JOINER
        else:
            marked[place] = JOINER + marked[place]
    return marked


def word_pattern(language: Language) -> "regex.Pattern[str]":
    """Pattern of the words of a chunk; the first alternative that fits counts."""
    inside = [
        ALNUM,
        r"[`-]",
        r"\.(?!\.)(?<!\.\.)",
        rf"(?<=\p{{N}}){DIGIT_MARK}(?=\p{{N}})",
        rf"(?<={LETTER_OR_MARK}){SPELLING_MARK}(?={LETTER_OR_MARK})",
        rf"(?<=\p{{Nd}}){DIGIT_SPACE}(?=\p{{Nd}})",
    ]
    if language.rules in COLON_BEFORE_ENDING:
        inside.append(rf"(?<={ALNUM}):(?=\p{{Ll}})")
    if language.rules in GERSHAYIM:
        inside.append(rf"(?<={LETTER_OR_MARK})\"(?={LETTER_OR_MARK})")
    part, first = "|".join(inside), []
    if language.rules in CONTRACTING:
        begins = (
            rf"(?<={LETTER_OR_MARK}){APOSTROPHE}(?={LETTER_OR_MARK})|(?<=\p{{N}}){APOSTROPHE}(?=s)"
        )
        first = [rf"(?:{begins})(?:{part})+"]
        part += rf"|(?<=\p{{N}}){APOSTROPHE}(?=(?!s){LETTER_OR_MARK})"
    elif language.rules in ELIDING:
        first = [rf"(?:{part})*{LETTER_OR_MARK}{APOSTROPHE}(?=[\p{{L}}\p{{N}}\"«“‘„])"]
        part += rf"|(?<=\p{{N}}){APOSTROPHE}(?={LETTER_OR_MARK})"
    else:
        part += rf"|(?<={ALNUM}){APOSTROPHE}(?={ALNUM})"
    return regex.compile(
        "|".join([ADDRESS, EMOTICON, r"\.{2,}", "''", *first, rf"(?:{part})+", r"\X"])
    )


def read_abbreviations(language: Language) -> tuple[frozenset[str], frozenset[str]]:
    """Read the words that keep their full stop: always, and before a number."""
    if language.rules not in abbreviated():
        return frozenset(), frozenset()
    always: set[str] = set()
    before_digits: set[str] = set()
    for entry in abbreviation_lists().words(language.rules):
        word, mark, _ = entry.strip().partition("#")
        (before_digits if mark else always).add(word.strip())
    return frozenset(always), frozenset(before_digits)


def sequel_of(text: str) -> Sequel:
    """Classify ``text``, which follows a full stop; "" where its line ends."""
    first = text[:1]
    if first in ("", "\n"):
        return "end"
    if first in "0123456789":
        return "digit"
    return "small" if first.islower() else "other"


def places_of_none(found: list[str | None]) -> Iterator[int]:
    """Find where None stands; what is filled in meanwhile is passed over."""
    place = -1
    with suppress(ValueError):
        while True:
            place = found.index(None, place + 1)
            yield place
