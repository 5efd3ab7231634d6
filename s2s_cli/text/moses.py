"""Moses tokenisation (sacremoses) of whole blocks of lines, each fragment of text worked out once.

The rules of sacremoses are some sixty regular expressions, and each of them reads the whole line.
But hardly any of them sees across a space, so a line can be cut into fragments that are tokenised
one by one, and most fragments are words that were met before. Every fragment is tokenised by
sacremoses itself; what is written here is only where a line may be cut, and what a fragment has to
know of the text beside it:

- **A cut** is a space between two tokens with harmless edges (`is_cut`). The rules that see
  across a space act on ``(`` before it, or on a closing bracket, one of ``. : ; , ! ?``, ``%``,
  ``<`` or an apostrophe after it. Where one of these stands there, there is no cut, and the tokens
  on both sides are one fragment.
- **The text after a fragment** matters where the fragment ends in a full stop (the rule for
  abbreviations asks if a small letter or a digit follows), a quotation mark or an apostrophe
  (some rules want any character to follow). Such a fragment is cached together with its
  *right context*: small letter, digit, anything else, or the end of the line.
- **The text before a fragment** matters only where the fragment begins unsafely, and such a
  fragment stands at the start of a line.
- **The shape of a fragment** is all that the rules see of an ordinary one: ``l’article,`` is split
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
LETTER_RUN = re.compile(f"{LETTER}+")
DIGIT_RUN = re.compile("[0-9]+")
ALNUM_RUN = re.compile(f"{LETTER_RUN.pattern}|{DIGIT_RUN.pattern}")
# What most tokens are made of: letters, digits and marks, perhaps an apostrophe between letters,
# perhaps a full stop at the end of a line. No rule distinguishes one letter or digit here from
# another, but for the abbreviations before a full stop.
MIXED = rf"(?:{LETTER}|[0-9,;:!?()\[\]/%$\"“”«»–—-])*"
ORDINARY = re.compile(rf"{MIXED}(?:(?<={LETTER})['’](?={LETTER}){MIXED})?\.?\n?")
SOME_LETTERS, SOME_DIGITS = "qzq", "000"  # in a shape
PLACES = re.compile(f"{SOME_LETTERS}|{SOME_DIGITS}")
MARKER = "MULTI"  # sacremoses writes DOTMULTI for dots while it works, and dots for DOTMULTI

# Words that stand beside a fragment while it is tokenised; none of them is changed by any rule.
SMALL_CONTEXT, DIGIT_CONTEXT, OTHER_CONTEXT = "zq", "0q", "Zq"
LONGEST_CACHED = 64  # characters
FRAGMENTS_PER_GENERATION = 1 << 15
MISSING = ""
FRAGMENTS_PER_CALL = 100  # tokenised by sacremoses at once

# Two rules of sacremoses look for a run of dots with something behind it, from each dot on anew:
# the square of a long run. These take the run whole, with or without, and leave it as it is
# without: behind no part of a run is there anything but the rest of it.
DOTS_AND_QUOTE = r'(\.+)"(\s*[^<])', r'"\g<1>\g<2>'
DOTS_OR_DOTS_AND_QUOTE = re.compile(r'(\.+)(?:"(\s*[^<]))?')
MARKED_DOTS = re.compile(rf"((?:DOT)+)({MARKER})?")


def quote_before_dots(match: re.Match[str]) -> str:
    """Replace as `DOTS_AND_QUOTE` does, for a match of the other."""
    dots, behind = match.groups()
    return dots if behind is None else f'"{dots}{behind}'


def restore_dots(text: str) -> str:
    """Write a dot for each ``DOT`` of a run that ends with the marker."""
    return MARKED_DOTS.sub(lambda match: "." * (len(match[1]) // 3) if match[2] else match[0], text)


# From a rule of the normaliser to one that gives the same.
SAME_IN_LINEAR_TIME: dict[Any, Any] = {DOTS_AND_QUOTE: (DOTS_OR_DOTS_AND_QUOTE, quote_before_dots)}


class Moses:
    """sacremoses of one language: punctuation normalised, words split, nothing escaped."""

    def __init__(self, language: str) -> None:
        self.language = language

    def words(self, text: str) -> list[str]:
        """Split ``text`` by the rules themselves."""
        words: list[str] = self._tokenise(self._normalise(text), escape=False)
        return words

    def is_small(self, character: str) -> bool:
        """Return whether the rule for abbreviations takes ``character`` for a small letter."""
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
        return frozenset(run for prefix in prefixes for run in ALNUM_RUN.findall(prefix))


class Fragment:
    """Text between two cuts.

    Attributes:
        text: the tokens with a space between; at the end of a line with the line end.
        at_line_start: it begins unsafely at the start of a line.
        right_context: a word that stands for what follows; "" where no rule asks, None at a line's
            end.
        key: the key of its words in the cache.
    """

    __slots__ = ("at_line_start", "key", "right_context", "text")

    def __init__(self, text: str, at_line_start: bool, right_context: str | None) -> None:
        self.text = text
        self.at_line_start = at_line_start
        self.right_context = right_context
        # No token has a space in it or begins with a line end, so this is no other's key.
        prefix, suffix = "\n" if at_line_start else "", f" {right_context}" if right_context else ""
        self.key = f"{prefix}{text}{suffix}"

    @property
    def neighbour(self) -> str | None:
        """The word that may stand on both sides while this is tokenised; None: it must be alone."""
        if self.at_line_start:
            return None
        if self.right_context is not None:
            return self.right_context or OTHER_CONTEXT
        # To the rules, the end of a line is a word that is neither small nor a number, unless a
        # quotation mark or an apostrophe stands before it.
        last = self.text[-2:-1]
        return OTHER_CONTEXT if is_indifferent(last) or last == "." else None


class BlockTokeniser:
    r"""Tokenises blocks of lines fragment by fragment and caches the words of each.

    A block is text whose every line ends with ``\n``, free of what `s2s_cli.text.cleaning.clean`
    removes. What comes out has the same lines, with one space between two words.

    The cache has two generations of about `FRAGMENTS_PER_GENERATION`: when the young one is full,
    it becomes the old one, and what is met again comes back from there. So memory has a bound,
    however long the text.
    """

    def __init__(self, moses: Moses) -> None:
        self.moses = moses
        # From the key of a fragment to its words. A key of one token is there only where the token
        # is a fragment by itself, whatever stands beside it.
        self.young: dict[str, str] = {}
        self.old: dict[str, str] = {}
        # From a shape to a template for the words of all tokens of that shape.
        self.templates: dict[str, str] = {}

    def tokenise(self, block: str) -> str:
        if len(self.young) >= FRAGMENTS_PER_GENERATION:
            self.young, self.old, self.templates = {}, self.young, {}
        # A token at the end of a line keeps the line end, by which its right context is known.
        tokens = block.replace("\n", "\n ").split(" ")
        tokens.pop()
        found = list(map(self.young.get, tokens, repeat(MISSING)))
        if MISSING in found:
            self._learn_standalone(set(tokens).difference(self.young))
            self._fill(tokens, found)
        return " ".join(filter(None, found)).replace("\n ", "\n")

    def _learn_standalone(self, tokens: Iterable[str]) -> None:
        """Tokenise those of ``tokens`` that are fragments whatever stands beside them."""
        shaped: list[tuple[str, str]] = []
        others = []
        for token in tokens:
            words = self.old.get(token)
            if words is not None:
                self._remember(token, words)
            elif is_standalone(token) and len(token) <= LONGEST_CACHED:
                if shape := self._shape(token):
                    shaped.append((token, shape))
                else:
                    others.append(standalone_fragment(token))
        self._learn_templates({shape for _, shape in shaped}.difference(self.templates))
        for token, shape in shaped:
            self._remember(token, self.templates[shape] % tuple(ALNUM_RUN.findall(token)))
        self._learn(others)

    def _shape(self, token: str) -> str:
        """Reduce an ordinary token to what the rules see of it; "" for any other."""
        if not ORDINARY.fullmatch(token) or MARKER in token:
            return ""
        if token[-2:] == ".\n":
            runs = ALNUM_RUN.findall(token)
            if not runs or runs[-1] in self.moses.abbreviations:
                return ""
        return DIGIT_RUN.sub(SOME_DIGITS, LETTER_RUN.sub(SOME_LETTERS, token))

    def _learn_templates(self, shapes: Iterable[str]) -> None:
        for shape, words in self._learn([standalone_fragment(shape) for shape in shapes]).items():
            self.templates[shape] = PLACES.sub("%s", words.replace("%", "%%"))

    def _fill(self, tokens: Sequence[str], found: list[str]) -> None:
        """Put the words of each missing fragment at its first token; others stay `MISSING`."""
        missing: dict[str, Fragment] = {}
        waiting: list[tuple[int, str]] = []
        done = 0
        for place in missing_places(found):
            if place < done:
                continue
            if words := self.young.get(tokens[place]):
                found[place] = words
                continue
            start, done = fragment_bounds(tokens, place)
            found[start:done] = [MISSING] * (done - start)
            fragment = self._fragment(tokens, start, done)
            if words := self._recall(fragment.key):
                found[start] = words
            else:
                missing[fragment.key] = fragment
                waiting.append((start, fragment.key))
        learned = self._learn(missing.values())
        for place, key in waiting:
            found[place] = learned[key]

    def _fragment(self, tokens: Sequence[str], start: int, end: int) -> Fragment:
        text = tokens[start] if end == start + 1 else " ".join(tokens[start:end])
        at_line_start = not is_safe_start(text) and (start == 0 or tokens[start - 1].endswith("\n"))
        if text.endswith("\n"):
            return Fragment(text, at_line_start, None)
        if text[-1:] in WATCHFUL_LAST:
            return Fragment(text, at_line_start, self._right_context(tokens[end][0]))
        return Fragment(text, at_line_start, "")

    def _right_context(self, character: str) -> str:
        if self.moses.is_small(character):
            return SMALL_CONTEXT
        return DIGIT_CONTEXT if character in "0123456789" else OTHER_CONTEXT

    def _recall(self, key: str) -> str | None:
        words = self.young.get(key)
        if words is None:
            words = self.old.get(key)
            if words is not None:
                self._remember(key, words)
        return words

    def _remember(self, key: str, words: str) -> None:
        if len(key) <= LONGEST_CACHED:
            # Most words are their own fragments; one string serves as both.
            self.young[key] = key if key == words else words

    def _learn(self, fragments: Iterable[Fragment]) -> dict[str, str]:
        """Tokenise new fragments, those with the same neighbour in one call."""
        groups: dict[str | None, list[Fragment]] = {}
        for fragment in fragments:
            groups.setdefault(fragment.neighbour, []).append(fragment)
        learned = {}
        for neighbour, group in groups.items():
            for start in range(0, len(group), FRAGMENTS_PER_CALL):
                together = group[start : start + FRAGMENTS_PER_CALL]
                for fragment, words in zip(together, self._words(together, neighbour), strict=True):
                    end = "\n" if fragment.right_context is None else ""
                    learned[fragment.key] = " ".join(words) + end
                    self._remember(fragment.key, learned[fragment.key])
        return learned

    def _words(self, fragments: Sequence[Fragment], neighbour: str | None) -> list[list[str]]:
        """Split each fragment, with the word ``neighbour`` before and after each."""
        if neighbour is not None:
            texts = [fragment.text.removesuffix("\n") for fragment in fragments]
            words = self.moses.words(f" {neighbour} ".join(["", *texts, ""]))
            if words.count(neighbour) == len(fragments) + 1:  # else the text itself has this word
                ends = [place for place, word in enumerate(words) if word == neighbour]
                return [words[start + 1 : end] for start, end in pairwise(ends)]
        return [self._alone(fragment) for fragment in fragments]

    def _alone(self, fragment: Fragment) -> list[str]:
        before = "" if fragment.at_line_start else f"{OTHER_CONTEXT} "
        after = (
            "" if fragment.right_context is None else f" {fragment.right_context or OTHER_CONTEXT}"
        )
        words = self.moses.words(before + fragment.text.removesuffix("\n") + after)
        return words[bool(before) : len(words) - bool(after)]


def missing_places(found: list[str]) -> Iterator[int]:
    """Places of `MISSING`; entries behind the last one yielded may change meanwhile."""
    place = -1
    with suppress(ValueError):
        while True:
            place = found.index(MISSING, place + 1)
            yield place


def standalone_fragment(token: str) -> Fragment:
    """Make the fragment of a token for which `is_standalone` holds."""
    return Fragment(token, False, None if token.endswith("\n") else "")


def is_standalone(token: str) -> bool:
    """Return whether ``token`` has the same words whatever stands beside it."""
    if not is_safe_start(token):
        return False
    return token.endswith("\n") or is_indifferent(token[-1:])


def is_safe_start(text: str) -> bool:
    return text[:1].isalnum() or text[:1] in SAFE_FIRST


def is_indifferent(character: str) -> bool:
    return character.isalnum() or character in INDIFFERENT_LAST


def fragment_bounds(tokens: Sequence[str], place: int) -> tuple[int, int]:
    """First token and end of the fragment that the token at ``place`` belongs to."""
    start, end = place, place + 1
    while start > 0 and not is_cut(tokens[start - 1], tokens[start]):
        start -= 1
    while end < len(tokens) and not is_cut(tokens[end - 1], tokens[end]):
        end += 1
    return start, end


def is_cut(left: str, right: str) -> bool:
    """Return whether the space (or the line end) between two tokens separates two fragments."""
    last = left[-1:]
    if last == "\n":
        return True
    return is_safe_start(right) and (is_indifferent(last) or last in WATCHFUL_LAST)
