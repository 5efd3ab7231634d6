"""Characters and entities that do not look like what they are, and their replacement.

Which invisible characters belong to spelling is in the Unicode Standard, chapter 23.2 (Layout
Controls: joiners) and the chapters of the scripts: ZWJ and ZWNJ shape Arabic, Persian and Indic
words and join emoji, the vowel separator is part of Mongolian words. They stay. Bidirectional
controls, the word joiner, the zero-width space, invisible operators of mathematics and soft hyphens
only format a text, and go.
"""

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

SPACE = " "
NO_BREAK_SPACE = "\u00a0"


@dataclass(frozen=True)
class CharacterClass:
    """One kind of odd character.

    Attributes:
        name: what people call it.
        characters: all characters of the kind.
        replacement: what raw text gets in their place.
    """

    name: str
    characters: str
    replacement: str


def span(first: int, last: int) -> str:
    return "".join(map(chr, range(first, last + 1)))


LINE_SEPARATOR = CharacterClass("line separator", "\u0085\u2028\u2029\v\f\x1c\x1d\x1e\x1f", SPACE)
CARRIAGE_RETURN = CharacterClass("carriage return inside a line", "\r", SPACE)
BYTE_ORDER_MARK = CharacterClass("byte-order mark inside the text", "\ufeff", "")
TAB = CharacterClass("tab", "\t", SPACE)
CONTROL_CHARACTER = CharacterClass(
    "control character",
    span(0x00, 0x08) + span(0x0E, 0x1B) + span(0x7F, 0x84) + span(0x86, 0x9F),
    "",
)
SOFT_HYPHEN = CharacterClass("soft hyphen", "\u00ad", "")
REPLACEMENT_CHARACTER = CharacterClass("replacement character", "\ufffd", "\ufffd")
HTML_ENTITY = "HTML entity"
DECOMPOSED = "line with decomposed letters (not NFC)"
# Reading a file takes these off, in tokenised text too.
LINE_END_RETURN = "carriage return at the end of a line"
FILE_START_MARK = "byte-order mark at the start of a file"
AT_EDGES = (LINE_END_RETURN, FILE_START_MARK)

# Without its semicolon an entity is more likely a part of an address: ?a=1&copy=2.
HTML_ENTITIES = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")


@dataclass(frozen=True)
class Cleaning:
    """Treatment of odd characters in raw text.

    Attributes:
        classes: the kinds, each of its own characters.
        inside_numbers: characters that stay between two digits, whatever their kind.
    """

    classes: tuple[CharacterClass, ...]
    inside_numbers: str = ""

    def clean(self, line: str) -> str:
        """Resolve entities once and replace odd characters."""
        if self._odd_text.search(line) is None:
            return line
        resolved = HTML_ENTITIES.sub(lambda entity: html.unescape(entity[0]), line)
        if self.inside_numbers:
            resolved = self._outside_numbers.sub(SPACE, resolved)
        return resolved.translate(self._replacements).replace("\n", SPACE)

    def count_odd(self, line: str) -> Counter[str]:
        """Count the characters of each class in raw text; unknown entities are no entities."""
        found: Counter[str] = Counter()
        for match in self._odd_text.findall(line):
            if match in self.class_of:
                found[self.class_of[match]] += 1
            elif html.unescape(match) != match:
                found[HTML_ENTITY] += 1
        return found

    def clean_block(self, block: str) -> tuple[str, Counter[str]]:
        r"""Apply `clean` and `count_odd` to a block of lines, each ending with ``\n``."""
        parts, found, end = [], Counter[str](), 0
        for start, stop in self._suspect_lines(block):
            line = block[start:stop]
            found.update(self.count_odd(line))
            parts += [block[end:start], self.clean(line)]
            end = stop
        return "".join([*parts, block[end:]]) if parts else block, found

    def count_odd_block(self, block: str) -> Counter[str]:
        """Apply `count_odd` to a block of lines."""
        found: Counter[str] = Counter()
        for start, stop in self._suspect_lines(block):
            found.update(self.count_odd(block[start:stop]))
        return found

    def treatment(self, name: str) -> str:
        """Describe what becomes of the characters called ``name`` in raw text."""
        if name in AT_EDGES:
            return "removed"
        if name == HTML_ENTITY:
            return "replaced by its character"
        (kind,) = (kind for kind in self.classes if kind.name == name)
        match kind.replacement:
            case "":
                return "removed"
            case "\ufffd":
                return "kept"
            case _ if set(self.inside_numbers) & set(kind.characters):
                return "read as a space, but kept inside a number"
            case _:
                return "read as a space"

    @cached_property
    def class_of(self) -> dict[str, str]:
        """Name of the class of each odd character."""
        return {character: kind.name for kind in self.classes for character in kind.characters}

    @cached_property
    def _replacements(self) -> dict[int, str]:
        kept = set(self.inside_numbers)  # where they were not replaced before
        return str.maketrans(
            {
                each: kind.replacement
                for kind in self.classes
                for each in kind.characters
                if each not in kept
            }
        )

    @cached_property
    def _outside_numbers(self) -> "re.Pattern[str]":
        return re.compile(rf"(?<!\d)[{self.inside_numbers}]|[{self.inside_numbers}](?!\d)")

    @cached_property
    def _odd_text(self) -> "re.Pattern[str]":
        return re.compile(f"[{re.escape(''.join(self.class_of))}]|{HTML_ENTITIES.pattern}")

    @cached_property
    def _suspect(self) -> "re.Pattern[str]":
        # One set of characters: the search for it skips over others many times faster than that
        # for odd text.
        return re.compile(f"[{re.escape(''.join(self.class_of))}&]")

    def _suspect_lines(self, block: str) -> Iterator[tuple[int, int]]:
        """Find the start and end of each line that may have something odd in it."""
        end = 0
        while suspect := self._suspect.search(block, end):
            start = block.rfind("\n", 0, suspect.start()) + 1
            end = block.index("\n", suspect.start())
            yield start, end


# The first rules, which models made before 0.3 go on with.
FIRST_CLEANING = Cleaning(
    (
        # The punctuation rules of Moses know U+00A0 only; French print uses all three.
        CharacterClass("no-break space", "\u00a0\u202f\u2007", NO_BREAK_SPACE),
        LINE_SEPARATOR,
        CARRIAGE_RETURN,
        BYTE_ORDER_MARK,
        TAB,
        CONTROL_CHARACTER,
        SOFT_HYPHEN,
        CharacterClass(
            "zero-width or direction mark",
            span(0x200B, 0x200F) + "\u2060" + span(0x202A, 0x202E) + span(0x2066, 0x2069),
            "",
        ),
        REPLACEMENT_CHARACTER,
    )
)
CLEANING = Cleaning(
    (
        CharacterClass("no-break space", "\u00a0\u202f\u2007", SPACE),
        CharacterClass(
            "thin or wide space",
            "\u1680\u205f\u3000" + span(0x2000, 0x2006) + span(0x2008, 0x200A),
            SPACE,
        ),
        LINE_SEPARATOR,
        CARRIAGE_RETURN,
        BYTE_ORDER_MARK,
        TAB,
        CONTROL_CHARACTER,
        SOFT_HYPHEN,
        CharacterClass(
            "direction mark",
            "\u061c\u200e\u200f" + span(0x202A, 0x202E) + span(0x2066, 0x206F),
            "",
        ),
        CharacterClass(
            "zero-width space or invisible operator",
            "\u200b" + span(0x2060, 0x2064) + span(0xFFF9, 0xFFFB),
            "",
        ),
        REPLACEMENT_CHARACTER,
    ),
    inside_numbers="\u00a0\u202f\u2007\u2009",
)


def compose(block: str) -> tuple[str, Counter[str]]:
    r"""Bring a block of lines, each ending with ``\n``, to Unicode's NFC; count changed lines."""
    if unicodedata.is_normalized("NFC", block):
        return block, Counter()
    lines = block.split("\n")
    composed = [unicodedata.normalize("NFC", line) for line in lines]
    changed = sum(map(str.__ne__, lines, composed))
    return "\n".join(composed), Counter({DECOMPOSED: changed}) if changed else Counter()
