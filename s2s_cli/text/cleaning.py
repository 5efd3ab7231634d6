"""Characters and entities that do not look like what they are, and their replacement."""

import html
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

SPACE = " "
NO_BREAK_SPACE = "\u00a0"


@dataclass(frozen=True)
class CharacterClass:
    """Odd characters that are treated alike.

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


CARRIAGE_RETURN = CharacterClass("carriage return inside a line", "\r", SPACE)
BYTE_ORDER_MARK = CharacterClass("byte-order mark inside the text", "\ufeff", "")

CHARACTER_CLASSES = (
    # The punctuation rules of Moses know U+00A0 only; French print uses all three.
    CharacterClass("no-break space", "\u00a0\u202f\u2007", NO_BREAK_SPACE),
    CharacterClass("line separator", "\u0085\u2028\u2029\v\f\x1c\x1d\x1e\x1f", SPACE),
    CARRIAGE_RETURN,
    BYTE_ORDER_MARK,
    CharacterClass("tab", "\t", SPACE),
    CharacterClass(
        "control character",
        span(0x00, 0x08) + span(0x0E, 0x1B) + span(0x7F, 0x84) + span(0x86, 0x9F),
        "",
    ),
    CharacterClass("soft hyphen", "\u00ad", ""),
    CharacterClass(
        "zero-width or direction mark",
        span(0x200B, 0x200F) + "\u2060" + span(0x202A, 0x202E) + span(0x2066, 0x2069),
        "",
    ),
    CharacterClass("replacement character", "\ufffd", "\ufffd"),
)
HTML_ENTITY = "HTML entity"
# Reading a file takes these off, in tokenised text too.
LINE_END_RETURN = "carriage return at the end of a line"
FILE_START_MARK = "byte-order mark at the start of a file"
AT_EDGES = (LINE_END_RETURN, FILE_START_MARK)

CLASS_OF = {character: kind.name for kind in CHARACTER_CLASSES for character in kind.characters}
REPLACEMENTS = str.maketrans(
    {each: kind.replacement for kind in CHARACTER_CLASSES for each in kind.characters}
)
# Without its semicolon an entity is more likely a part of an address: ?a=1&copy=2.
HTML_ENTITIES = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
ODD_TEXT = re.compile(f"[{re.escape(''.join(CLASS_OF))}]|{HTML_ENTITIES.pattern}")
# One set of characters: the search for it is many times faster than that for `ODD_TEXT`.
SUSPECT = re.compile(f"[{re.escape(''.join(CLASS_OF))}&]")


def clean(line: str) -> str:
    """Resolve entities once and replace odd characters (see `CHARACTER_CLASSES`)."""
    if ODD_TEXT.search(line) is None:
        return line
    resolved = HTML_ENTITIES.sub(lambda entity: html.unescape(entity[0]), line)
    return resolved.translate(REPLACEMENTS).replace("\n", SPACE)


def count_odd(line: str) -> Counter[str]:
    """Count the characters of each class in raw text; unknown entities are no entities."""
    found: Counter[str] = Counter()
    for match in ODD_TEXT.findall(line):
        if match in CLASS_OF:
            found[CLASS_OF[match]] += 1
        elif html.unescape(match) != match:
            found[HTML_ENTITY] += 1
    return found


def clean_block(block: str) -> tuple[str, Counter[str]]:
    r"""Apply `clean` and `count_odd` to a block of lines, each ending with ``\n``."""
    parts, found, end = [], Counter[str](), 0
    for start, stop in suspect_lines(block):
        line = block[start:stop]
        found.update(count_odd(line))
        parts += [block[end:start], clean(line)]
        end = stop
    return "".join([*parts, block[end:]]) if parts else block, found


def count_odd_block(block: str) -> Counter[str]:
    """Apply `count_odd` to a block of lines."""
    found: Counter[str] = Counter()
    for start, stop in suspect_lines(block):
        found.update(count_odd(block[start:stop]))
    return found


def suspect_lines(block: str) -> Iterator[tuple[int, int]]:
    """Find the start and end of each line that may have something odd in it."""
    end = 0
    while suspect := SUSPECT.search(block, end):
        start = block.rfind("\n", 0, suspect.start()) + 1
        end = block.index("\n", suspect.start())
        yield start, end


def treatment_in_raw_text(name: str) -> str:
    """Describe what becomes of the characters called ``name``."""
    if name in AT_EDGES:
        return "removed"
    if name == HTML_ENTITY:
        return "replaced by its character"
    (kind,) = (kind for kind in CHARACTER_CLASSES if kind.name == name)
    match kind.replacement:
        case "":
            return "removed"
        case "\ufffd":
            return "kept"
        case _:
            return "read as a space"
