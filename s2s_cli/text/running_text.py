"""Join words into running text: the reverse of `s2s_cli.text.words`.

Tokens do not say which of them stood without a space between them. What follows are the habits of
print, language by language: one small rule for each habit, the first that applies decides.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import regex

from s2s_cli.text.languages import CONTRACTING, ELIDING, Language
from s2s_cli.text.words import JOINER

# What a quotation mark or an apostrophe does at its place: it opens or closes a quotation, belongs
# to the word before it (dogs'), to the one after it ('90s), or stands inside a number (7'6).
Role = Literal["opens", "closes", "ends word", "begins word", "inside"]

OPENING = frozenset("([{¿¡“„‘‚‹«「『（【《〈〔［")
CLOSING = frozenset(")]}”’›»」』）】》〉〕］")
# Marks that follow a word without a space; what Greek, Armenian, Arabic, Indic, Ethiopic, Burmese
# and Khmer have in their place included.
FOLLOWING = frozenset(",.;:!?…%‰¢\u05f3′″‴·\u0387։՝،؛؟۔।॥፣።၊။།༎។、。，．；：！？")
FRENCH_SPACED = frozenset(":;!?%‰¢")
CANADIAN_SPACED = frozenset(":%‰¢")
PERCENT_SPACED = frozenset(["cs", "da", "de", "fi", "no", "sk", "sv"])
# Print of these languages has »…« or „…“ where others have «…» or “…”.
INWARD_GUILLEMETS = frozenset(["bs", "cs", "da", "de", "hr", "hu", "pl", "sk", "sl", "sr"])
SAME_QUOTES = frozenset(["da", "fi", "no", "sv"])  # ”…”

DOTS = regex.compile(r"\.{2,}")
NUMBER = regex.compile(r"[+-]?\p{N}[\p{N}.,\u00a0\u202f\u2007]*")
DIGITS = regex.compile(r"\p{Nd}+")
SHORT_NUMBER = regex.compile(r"\p{Nd}{1,3}(?:\.\p{Nd}+)?")
LABEL = regex.compile(r"\p{Nd}{1,2}(?:\.\p{Nd}+)?|\p{Ll}|[ivx]+")
YEARS = regex.compile(r"\p{Nd}0s|\p{Nd}{2}")
CAPITALS = regex.compile(r"\p{Lu}{1,4}(?:-\p{N}+)?")
CURRENCY = regex.compile(r"\p{Sc}")
BEFORE_CURRENCY = frozenset(["US", "USA", "CA", "CAN", "AU", "NZ", "HK", "C", "A", "R", "S", "NT"])
AFTER_CURRENCY = frozenset(["US", "USA", "CA", "CAN", "AU", "NZ", "HK"])
SCALES = frozenset(["k", "K", "M", "Md", "bn", "m"])
BEGINS_WORD = regex.compile(r"[\p{L}\p{N}]")
ENDS_WORD = regex.compile(r"[\p{L}\p{N}\p{M}]$")
HYPHENATED = regex.compile(r"-\p{L}")
IDEOGRAPHIC = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\u30fc]")
FULL_WIDTH = regex.compile(
    r"[\u3000-\u3003\u3008-\u3011\u3014-\u301f\u30fb\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40"
    r"\uff5b-\uff65]"
)


class Gap(NamedTuple):
    """The place between two words, with the words around it; "" where there is none.

    Attributes:
        before: the word before ``left``.
        left: the word before the gap, with its role.
        right: the word after the gap, with its role.
        after: the word after ``right``.
    """

    before: str
    left: str
    right: str
    after: str
    left_role: Role | None
    right_role: Role | None


# Whether a space stands in the gap; None where the rule has nothing to say.
Rule = Callable[[Gap, Language], bool | None]


def join_words(words: Sequence[str], language: Language) -> str:
    """Join ``words`` to a line of running text."""
    roles = find_roles(words, language)
    around = ["", "", *words, ""]
    parts = list(words[:1])
    for place in range(1, len(words)):
        left, right = words[place - 1], words[place]
        if not (left.isalnum() and right.isalnum()):
            before, after = around[place], around[place + 3]
            gap = Gap(before, left, right, after, roles.get(place - 1), roles.get(place))
            if not has_space(gap, language):
                parts.append(right)
                continue
        parts += [" ", right]
    return "".join(parts)


def join_marked(words: Sequence[str]) -> str:
    """Join ``words``, with a `JOINER` where they stood without a space, to running text."""
    return " ".join(words).replace(f"{JOINER} ", "").replace(f" {JOINER}", "").replace(JOINER, "")


def has_space(gap: Gap, language: Language) -> bool:
    """Decide whether a space stands in ``gap``, as most print has it."""
    for rule in RULES:
        answer = rule(gap, language)
        if answer is not None:
            return answer
    return True


def full_width(gap: Gap, language: Language) -> bool | None:
    """Full-width marks have their space in them; Chinese and Japanese words have none at marks."""
    if FULL_WIDTH.fullmatch(gap.left) or FULL_WIDTH.fullmatch(gap.right):
        return False
    if not language.is_unspaced:
        return None
    for word, mark in ((gap.left[-1], gap.right), (gap.right[0], gap.left)):
        is_mark = not BEGINS_WORD.match(mark) and not ENDS_WORD.search(mark)
        if is_mark and IDEOGRAPHIC.match(word) and not (mark is gap.left and mark in ",.;:!?"):
            return False
    return None


def quotation(gap: Gap, language: Language) -> bool | None:
    """Marks stand at what they enclose; French guillemets have a space inside."""
    spaced = language.rules == "fr"
    if gap.left_role in ("opens", "begins word"):
        return spaced and gap.left == "«"
    if gap.right_role in ("closes", "ends word"):
        return spaced and gap.right == "»"
    return False if "inside" in (gap.left_role, gap.right_role) else None


def apostrophe(gap: Gap, language: Language) -> bool | None:
    """``l' eau`` in languages that elide, ``do n't`` and ``girl 's`` in English."""
    left, right = gap.left, gap.right
    if language.rules in ELIDING and len(left) > 1 and left[-1] in "'’":
        opened = gap.right_role == "opens"
        return (
            False if opened or (BEGINS_WORD.match(right) and ENDS_WORD.search(left[:-1])) else None
        )
    if language.rules in CONTRACTING and len(right) > 1 and right[0] in "'’":
        return False if ENDS_WORD.search(left) and not right[1].isdigit() else None
    return None


def connecting_sign(gap: Gap, language: Language) -> bool | None:
    """``km/h``, ``a_b``, ``S&P``, ``#tag``, ``@user``, ``C#``, ``C++``, ``~5``, ``(+2``."""
    before, left, right, after, *_ = gap
    if left in "/\\_" or right in "/\\_":
        return False
    if right == "&" or left == "&":
        sides = (left, after) if right == "&" else (before, right)
        return not all(map(CAPITALS.fullmatch, sides))
    if right == "#" and left in ("C", "F", "J"):
        return False
    if left in ("#", "@") and BEGINS_WORD.match(right):
        return before in ("C", "F", "J") and left == "#"
    if right == "+" and ("+" in (left, after)) and (left == "+" or len(left) == 1):
        return False
    if left in ("+", "~") and NUMBER.match(right):
        return not (left == "~" or not before or before in "(,:;[")
    return None


def number_sign(gap: Gap, language: Language) -> bool | None:
    """``16:35``, ``1990–1995``, ``20 °C``, ``61°41′``, ``n°``, ``5.1(b)``, Turkish ``%5``."""
    before, left, right, after, *_ = gap
    if right == "%" and NUMBER.match(after) and not NUMBER.fullmatch(left):
        return True
    if left == "%" and NUMBER.match(right) and not NUMBER.fullmatch(before):
        return False
    if right in (":", "–") and DIGITS.fullmatch(left) and DIGITS.fullmatch(after):
        return False
    if left in (":", "–") and DIGITS.fullmatch(before) and DIGITS.fullmatch(right):
        return False
    if right == "°":
        return language.rules == "fr" and bool(NUMBER.fullmatch(left)) and after in ("C", "F")
    if left == "°":
        numbers = NUMBER.fullmatch(before) and NUMBER.fullmatch(right)
        return not (numbers or right in ("%", "C", "F", "K"))
    if left == "′" and NUMBER.fullmatch(right):
        return False
    if right == "(" and LABEL.fullmatch(after) and (SHORT_NUMBER.fullmatch(left) or left == ")"):
        return False
    if left == ")" and after == ")" and LABEL.fullmatch(right):  # 26(1)b)
        return False
    return None


def following_mark(gap: Gap, language: Language) -> bool | None:
    """Punctuation follows its word; some of it with a space in French."""
    if gap.right not in FOLLOWING and not DOTS.fullmatch(gap.right):
        return None
    if gap.right == "%" and language.rules in PERCENT_SPACED:
        return True
    if language.rules != "fr" or (gap.left in "!?" and gap.right in "!?"):
        return False
    return gap.right in (CANADIAN_SPACED if language.region == "CA" else FRENCH_SPACED)


def money(gap: Gap, language: Language) -> bool | None:
    """``$5``, ``US$5``, ``5 €``, ``90 M$``, ``5 $US``."""
    before, left, right, after, *_ = gap
    if CURRENCY.fullmatch(right):
        if NUMBER.match(after) and not NUMBER.fullmatch(left):
            return left not in BEFORE_CURRENCY
        return not (left in SCALES and NUMBER.fullmatch(before))
    if CURRENCY.fullmatch(left):
        if NUMBER.fullmatch(before):
            return right not in AFTER_CURRENCY
        return not NUMBER.match(right) or (before == "R" and language.rules == "pt")
    return None


def hyphen(gap: Gap, language: Language) -> bool | None:
    """``"Bild"-Zeitung``."""
    return False if gap.left_role == "closes" and HYPHENATED.match(gap.right) else None


RULES: tuple[Rule, ...] = (
    full_width,
    quotation,
    apostrophe,
    connecting_sign,
    number_sign,
    following_mark,
    money,
    hyphen,
)


def find_roles(words: Sequence[str], language: Language) -> dict[int, Role]:
    """The roles of all quotation marks, brackets and apostrophes that are words, by place."""
    roles: dict[int, Role] = {}
    straight: dict[str, list[int]] = {"'": [], '"': []}
    directed: list[int] = []
    for place, word in enumerate(words):
        if word in ("'", '"', "''"):
            straight["'" if word == "'" else '"'].append(place)
        elif word in OPENING or word in CLOSING:
            directed.append(place)
    if straight["'"]:
        mark_single_quotes(words, straight["'"], roles, language)
    if straight['"']:
        inches = [at for at in straight['"'] if roles.get(at - 2) == "inside"]
        roles.update(dict.fromkeys(inches, "ends word"))
        pair(words, [at for at in straight['"'] if at not in roles], roles)
    mark_directed(words, directed, roles, language)
    return roles


def mark_single_quotes(
    words: Sequence[str], places: list[int], roles: dict[int, Role], language: Language
) -> None:
    """Tell apostrophes from quotation marks, which come in pairs."""
    quotes = []
    for place in places:
        role = certain_apostrophe(words, place)
        if role is None:
            quotes.append(place)
        else:
            roles[place] = role
    plurals = [
        place for place in quotes if language.rules in CONTRACTING and ends_plural(words, place)
    ]
    if len(quotes) % 2 or len(plurals) == len(quotes):
        lone = plurals if len(plurals) == len(quotes) else (plurals or quotes)[-1:]
        roles.update({place: lone_apostrophe(words, place) for place in lone})
        quotes = [place for place in quotes if place not in lone]
    pair(words, quotes, roles)


def certain_apostrophe(words: Sequence[str], place: int) -> Role | None:
    """The role of an apostrophe at a number."""
    left, right = neighbours(words, place)
    if NUMBER.fullmatch(left):
        if NUMBER.fullmatch(right):
            return "inside"
        return "ends word" if right in ("x", "×") else None
    return "begins word" if YEARS.fullmatch(right) else None


def ends_plural(words: Sequence[str], place: int) -> bool:
    """Decide whether it may be the apostrophe of a plural: ``the dogs' owner``."""
    left, right = neighbours(words, place)
    return len(left) > 3 and left.endswith("s") and bool(BEGINS_WORD.match(right))


def lone_apostrophe(words: Sequence[str], place: int) -> Role:
    """The role of an apostrophe that encloses nothing."""
    left, _ = neighbours(words, place)
    follows = bool(ENDS_WORD.search(left)) or left[-1:] in tuple(".!?,…)")
    return "ends word" if follows else "begins word"


def pair(words: Sequence[str], places: list[int], roles: dict[int, Role]) -> None:
    """Let marks open and close in turn; what stands beside them says which the first one does."""
    evidence = sum(
        opening_evidence(words, place) * (-1) ** number for number, place in enumerate(places)
    )
    first: tuple[Role, Role] = ("opens", "closes") if evidence >= 0 else ("closes", "opens")
    roles.update({place: first[number % 2] for number, place in enumerate(places)})


def opening_evidence(words: Sequence[str], place: int) -> int:
    """More than 0 where the mark looks like one that opens, less where it seems to close."""
    left, right = neighbours(words, place)
    closes = not right or right in FOLLOWING or right in CLOSING or bool(DOTS.fullmatch(right))
    opens = not left or left in OPENING or left in ":="
    return 2 * opens - 2 * closes - (left in ".!?…" and bool(left))


def mark_directed(
    words: Sequence[str], places: Sequence[int], roles: dict[int, Role], language: Language
) -> None:
    """The roles of marks that look one way, as far as languages agree which way."""
    closers: list[str] = []
    for number, place in enumerate(places):
        word = words[place]
        if closers and word in closers[-1]:
            closers.pop()
            roles[place] = "closes"
        elif word == "’":  # without a ‘ before it, an apostrophe
            roles[place] = certain_apostrophe(words, place) or lone_apostrophe(words, place)
        elif closer := closer_of(word, [words[each] for each in places[number + 1 :]], language):
            closers.append(closer)
            roles[place] = "opens"
        else:
            roles[place] = "opens" if word in OPENING else "closes"


def closer_of(word: str, later: Sequence[str], language: Language) -> str:
    """The marks that close what ``word`` opens; "" where it opens nothing that nests."""
    match word:
        case "«":
            return "»"
        case "»" if language.rules in INWARD_GUILLEMETS and "«" in later:
            return "«"
        case "„":
            return "“”"
        case "“":
            return "”"
        case "”" if language.rules in SAME_QUOTES:
            return "”"
        case "‚":
            return "‘’"
        case "‘":
            return "’"
        case _:
            return ""


def neighbours(words: Sequence[str], place: int) -> tuple[str, str]:
    """The words before and after ``place``; "" where there is none."""
    left = words[place - 1] if place else ""
    right = words[place + 1] if place + 1 < len(words) else ""
    return left, right
