"""Moses tokenisation (sacremoses) of whole blocks of lines, each piece of text worked out once.

The rules of sacremoses are some sixty regular expressions, and each of them reads the whole line.
But hardly any of them sees across a space, so a line can be cut into pieces that are tokenised
one by one, and most pieces are words that were met before. Every piece is tokenised by sacremoses
itself; what is written here is only where a line may be cut, and what a piece has to know of the
text beside it:

- **A cut** is a space between two tokens with harmless edges (`is_cut`). The rules that see
  across a space act on ``(`` before it, or on a closing bracket, one of ``. : ; , ! ?``, ``%``,
  ``<`` or an apostrophe after it. Where one of these stands there, there is no cut, and the tokens
  on both sides are one piece.
- **The text after a piece** matters where the piece ends in a full stop (the rule for
  abbreviations asks if a small letter or a digit follows), a quotation mark or an apostrophe
  (some rules want any character to follow). Such a piece is remembered together with its
  *sequel*: small letter, digit, anything else, or the end of the line.
- **The text before a piece** matters only where the piece begins unsafely, and such a piece
  stands at the start of a line.
- **The shape of a piece** is all that the rules see of an ordinary one: ``l’article,`` is split
  like ``d’une,``. So sacremoses is asked once for each shape.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import pairwise, repeat
from typing import Any

# First characters that no rule brings together with what stands before the space.
SAFE_FIRST = frozenset('([{$€£§#+=*/"“”„«»–—-')
# Last characters that no rule brings together with the text after the space.
INDIFFERENT_LAST = frozenset(",;:!?)]}%$€£§*/=+–—-")
# The same, but some rule asks what comes.
WATCHFUL_LAST = frozenset(".\"“”„«»'’")
LETTER = "[A-Za-zÀ-ÖØ-öø-ÿ]"
LETTERS = re.compile(f"{LETTER}+")
DIGITS = re.compile("[0-9]+")
RUNS = re.compile(f"{LETTERS.pattern}|{DIGITS.pattern}")
# What most tokens are made of: letters, digits and marks, perhaps an apostrophe between letters,
# perhaps a full stop at the end of a line. No rule tells one letter or one digit here from
# another, but for the abbreviations before a full stop.
MIXED = rf"(?:{LETTER}|[0-9,;:!?()\[\]/%$\"“”«»–—-])*"
ORDINARY = re.compile(rf"{MIXED}(?:(?<={LETTER})['’](?={LETTER}){MIXED})?\.?\n?")
SOME_LETTERS, SOME_DIGITS = "qzq", "000"  # in a shape
PLACES = re.compile(f"{SOME_LETTERS}|{SOME_DIGITS}")
MARKER = "MULTI"  # sacremoses writes DOTMULTI for dots while it works, and dots for DOTMULTI

# Words that stand beside a piece while it is tokenised; none of them is changed by any rule.
SMALL, DIGIT, OTHER = "zq", "0q", "Zq"
LONGEST_REMEMBERED = 64  # characters
REMEMBERED = 1 << 15  # pieces in each of two generations
MISSING = ""
TOGETHER = 100  # pieces tokenised in one call

# Two rules of sacremoses look for a run of dots with something behind it, from each dot on anew:
# the square of a long run. These take the run whole, with or without, and leave it as it is
# without: behind no part of a run is there anything but the rest of it.
DOTS_AND_QUOTE = r'(\.+)"(\s*[^<])', r'"\g<1>\g<2>'
DOTS_OR_DOTS_AND_QUOTE = re.compile(r'(\.+)(?:"(\s*[^<]))?')
MARKED_DOTS = re.compile(rf"((?:DOT)+)({MARKER})?")


def quote_before_dots(match: re.Match[str]) -> str:
    """The replacement of `DOTS_AND_QUOTE`, for a match of the other."""
    dots, behind = match.groups()
    return dots if behind is None else f'"{dots}{behind}'


def restore_dots(text: str) -> str:
    """A dot for each ``DOT`` of a run that ends with the marker."""
    return MARKED_DOTS.sub(lambda match: "." * (len(match[1]) // 3) if match[2] else match[0], text)


# From a rule of the normaliser to one that gives the same.
SAME_IN_LINEAR_TIME: dict[Any, Any] = {DOTS_AND_QUOTE: (DOTS_OR_DOTS_AND_QUOTE, quote_before_dots)}


class Moses:
    """sacremoses of one language: punctuation normalised, words split, nothing escaped."""

    def __init__(self, language: str) -> None:
        self.language = language

    def words(self, text: str) -> list[str]:
        """The words of ``text`` by the rules themselves."""
        words: list[str] = self._tokenise(self._normalise(text), escape=False)
        return words

    def is_small(self, character: str) -> bool:
        """Whether the rule for abbreviations takes ``character`` for a small letter."""
        return character in self._small

    @cached_property
    def _normalise(self) -> Callable[[str], str]:
        from sacremoses import MosesPunctNormalizer

        normaliser = MosesPunctNormalizer(self.language)
        normaliser.substitutions = [
            SAME_IN_LINEAR_TIME.get(each, each) for each in normaliser.substitutions
        ]
        normalise: Callable[[str], str] = normaliser.normalize
        return normalise

    @cached_property
    def _small(self) -> frozenset[str]:
        from sacremoses import MosesTokenizer

        return frozenset(MosesTokenizer.IsLower)

    @cached_property
    def _tokenise(self) -> Any:
        from sacremoses import MosesTokenizer

        moses = MosesTokenizer(self.language)
        # The two predicates make a set of thousands of letters at each call: milliseconds for
        # each abbreviation. These answer the same from sets made once.
        small, letters = self._small, frozenset(moses.IsAlpha)
        moses.islower = small.issuperset
        moses.isanyalpha = lambda text: not letters.isdisjoint(text)
        moses.restore_multidots = restore_dots
        return moses.tokenize

    @cached_property
    def abbreviations(self) -> frozenset[str]:
        """The letters and digits of the words after which a full stop may be part of the word."""
        from sacremoses import MosesTokenizer

        prefixes = MosesTokenizer(self.language).NONBREAKING_PREFIXES
        return frozenset(run for prefix in prefixes for run in RUNS.findall(prefix))


class Piece:
    """Some text between two cuts.

    Attributes:
        text: the tokens with a space between; at the end of a line with the line end.
        first: it begins unsafely at the start of a line.
        sequel: a word that stands for what follows; "" where nothing asks, None at a line's end.
        key: by which its words are remembered.
    """

    __slots__ = ("first", "key", "sequel", "text")

    def __init__(self, text: str, first: bool, sequel: str | None) -> None:
        self.text = text
        self.first = first
        self.sequel = sequel
        # No token has a space in it or begins with a line end, so this is no other's key.
        self.key = ("\n" if first else "") + (f"{text} {sequel}" if sequel else text)

    @property
    def company(self) -> str | None:
        """The word that may stand on both sides while this is tokenised; None: it must be alone."""
        if self.first:
            return None
        if self.sequel is not None:
            return self.sequel or OTHER
        # No rule tells the end of a line from a word that is neither small nor a number, but
        # after quotation marks and apostrophes.
        return OTHER if is_indifferent(self.text[-2:-1]) or self.text[-2:-1] == "." else None


class Pieces:
    r"""Tokenises blocks of lines piece by piece and remembers the pieces.

    A block is text whose every line ends with ``\n``, free of what `s2s_cli.text.odd.clean`
    removes. What comes out has the same lines, with one space between two words.

    Pieces are remembered in two generations of about `REMEMBERED`: when the young one is full,
    it becomes the old one, and what is met again comes back from there. So memory has a bound,
    however long the text.
    """

    def __init__(self, moses: Moses) -> None:
        self.moses = moses
        # From the key of a piece to its words. A key of one token is there only where the token
        # is a piece by itself, whatever stands beside it.
        self.young: dict[str, str] = {}
        self.old: dict[str, str] = {}
        # From a shape to a template for the words of all tokens of that shape.
        self.templates: dict[str, str] = {}

    def tokenise(self, block: str) -> str:
        if len(self.young) >= REMEMBERED:
            self.young, self.old, self.templates = {}, self.young, {}
        # A token at the end of a line keeps the line end, by which its sequel is known.
        tokens = block.replace("\n", "\n ").split(" ")
        tokens.pop()
        found = list(map(self.young.get, tokens, repeat(MISSING)))
        if MISSING in found:
            self._learn_loners(set(tokens).difference(self.young))
            self._fill(tokens, found)
        return " ".join(filter(None, found)).replace("\n ", "\n")

    def _learn_loners(self, tokens: Iterable[str]) -> None:
        """Learn those of ``tokens`` that are pieces by themselves, whatever stands beside them."""
        shaped: list[tuple[str, str]] = []
        others = []
        for token in tokens:
            words = self.old.get(token)
            if words is not None:
                self._remember(token, words)
            elif is_loner(token) and len(token) <= LONGEST_REMEMBERED:
                if shape := self._shape(token):
                    shaped.append((token, shape))
                else:
                    others.append(loner(token))
        self._learn_templates({shape for _, shape in shaped}.difference(self.templates))
        for token, shape in shaped:
            self._remember(token, self.templates[shape] % tuple(RUNS.findall(token)))
        self._learn(others)

    def _shape(self, token: str) -> str:
        """What the rules see of an ordinary token; "" if it is none."""
        if not ORDINARY.fullmatch(token) or MARKER in token:
            return ""
        if token[-2:] == ".\n":
            runs = RUNS.findall(token)
            if not runs or runs[-1] in self.moses.abbreviations:
                return ""
        return DIGITS.sub(SOME_DIGITS, LETTERS.sub(SOME_LETTERS, token))

    def _learn_templates(self, shapes: Iterable[str]) -> None:
        for shape, words in self._learn([loner(shape) for shape in shapes]).items():
            self.templates[shape] = PLACES.sub("%s", words.replace("%", "%%"))

    def _fill(self, tokens: Sequence[str], found: list[str]) -> None:
        """Put the words of each missing piece at its first token; its others stay `MISSING`."""
        missing: dict[str, Piece] = {}
        waiting: list[tuple[int, str]] = []
        done = 0
        for place in missing_places(found):
            if place < done:
                continue
            if words := self.young.get(tokens[place]):
                found[place] = words
                continue
            start, done = extent(tokens, place)
            found[start:done] = [MISSING] * (done - start)
            piece = self._piece(tokens, start, done)
            if words := self._recall(piece.key):
                found[start] = words
            else:
                missing[piece.key] = piece
                waiting.append((start, piece.key))
        learned = self._learn(missing.values())
        for place, key in waiting:
            found[place] = learned[key]

    def _piece(self, tokens: Sequence[str], start: int, end: int) -> Piece:
        text = tokens[start] if end == start + 1 else " ".join(tokens[start:end])
        first = not is_safe_start(text) and (start == 0 or tokens[start - 1].endswith("\n"))
        if text.endswith("\n"):
            return Piece(text, first, None)
        if text[-1:] in WATCHFUL_LAST:
            return Piece(text, first, self._sequel(tokens[end][0]))
        return Piece(text, first, "")

    def _sequel(self, character: str) -> str:
        if self.moses.is_small(character):
            return SMALL
        return DIGIT if character in "0123456789" else OTHER

    def _recall(self, key: str) -> str | None:
        words = self.young.get(key)
        if words is None:
            words = self.old.get(key)
            if words is not None:
                self._remember(key, words)
        return words

    def _remember(self, key: str, words: str) -> None:
        if len(key) <= LONGEST_REMEMBERED:
            # Most words are their own pieces; one string serves as both.
            self.young[key] = key if key == words else words

    def _learn(self, pieces: Iterable[Piece]) -> dict[str, str]:
        """Tokenise new pieces, those with the same text beside them in one call."""
        groups: dict[str | None, list[Piece]] = {}
        for piece in pieces:
            groups.setdefault(piece.company, []).append(piece)
        learned = {}
        for beside, group in groups.items():
            for start in range(0, len(group), TOGETHER):
                together = group[start : start + TOGETHER]
                for piece, words in zip(together, self._words(together, beside), strict=True):
                    learned[piece.key] = " ".join(words) + ("\n" if piece.sequel is None else "")
                    self._remember(piece.key, learned[piece.key])
        return learned

    def _words(self, pieces: Sequence[Piece], beside: str | None) -> list[list[str]]:
        """The words of each piece, all with the word ``beside`` before and after them."""
        if beside is not None:
            texts = [piece.text.removesuffix("\n") for piece in pieces]
            words = self.moses.words(f" {beside} ".join(["", *texts, ""]))
            if words.count(beside) == len(pieces) + 1:  # else the text itself has this word
                ends = [place for place, word in enumerate(words) if word == beside]
                return [words[start + 1 : end] for start, end in pairwise(ends)]
        return [self._alone(piece) for piece in pieces]

    def _alone(self, piece: Piece) -> list[str]:
        before = "" if piece.first else f"{OTHER} "
        after = "" if piece.sequel is None else f" {piece.sequel or OTHER}"
        words = self.moses.words(before + piece.text.removesuffix("\n") + after)
        return words[bool(before) : len(words) - bool(after)]


def missing_places(found: list[str]) -> Iterator[int]:
    """Where `MISSING` stands; entries behind the last one told may change meanwhile."""
    place = -1
    with suppress(ValueError):
        while True:
            place = found.index(MISSING, place + 1)
            yield place


def loner(token: str) -> Piece:
    """The piece that a token is for which `is_loner` holds."""
    return Piece(token, False, None if token.endswith("\n") else "")


def is_loner(token: str) -> bool:
    """Whether ``token`` is a piece by itself, and nothing beside it matters to its words."""
    if not is_safe_start(token):
        return False
    return token.endswith("\n") or is_indifferent(token[-1:])


def is_safe_start(text: str) -> bool:
    return text[:1].isalnum() or text[:1] in SAFE_FIRST


def is_indifferent(character: str) -> bool:
    return character.isalnum() or character in INDIFFERENT_LAST


def extent(tokens: Sequence[str], place: int) -> tuple[int, int]:
    """First token and end of the piece that the token at ``place`` belongs to."""
    start, end = place, place + 1
    while start > 0 and not is_cut(tokens[start - 1], tokens[start]):
        start -= 1
    while end < len(tokens) and not is_cut(tokens[end - 1], tokens[end]):
        end += 1
    return start, end


def is_cut(left: str, right: str) -> bool:
    """Whether the space (or the line end) between two tokens separates two pieces."""
    last = left[-1:]
    if last == "\n":
        return True
    return is_safe_start(right) and (is_indifferent(last) or last in WATCHFUL_LAST)
