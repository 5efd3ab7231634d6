"""Words of two translations side by side: which of them differ, and the spaces between them."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import islice

# Weights of each target word by the places of source words, in percent.
WordWeights = list[dict[int, int]]


def differing_words(one: Sequence[str], other: Sequence[str]) -> tuple[set[int], set[int]]:
    """Find the places of words that the other translation has not, in the same order."""
    places: tuple[set[int], set[int]] = set(), set()
    # Without its heuristics, for which a frequent word of a long text is never the same.
    for kind, *ends in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if kind != "equal":
            places[0].update(range(*ends[:2]))
            places[1].update(range(*ends[2:]))
    return places


def in_reference(
    words: Sequence[str], reference: Sequence[str], differing: Collection[int]
) -> set[int]:
    """Choose those of the ``differing`` words that the reference has.

    As in the precision of BLEU, a word of the reference counts once; the words that do not differ
    come first.
    """
    left = Counter(reference)
    left.subtract(word for place, word in enumerate(words) if place not in differing)
    found = set()
    for place in sorted(differing):
        if left[words[place]] > 0:
            left[words[place]] -= 1
            found.add(place)
    return found


def spaces_after(words: Sequence[str], line: str) -> list[bool]:
    """Find after which words ``line``, of which they are the words, has a space.

    Where a tokeniser changed more than spaces, there is one after each word.
    """
    result: list[bool] = []
    end = 0
    for word in words:
        start = line.find(word, end)
        if start < 0 or line[end:start].strip():
            return [True] * len(words)
        if result:
            result[-1] = start > end
        result.append(True)
        end = start + len(word)
    return result


def shares(words: Sequence[str], pieces: Sequence[str]) -> list[dict[int, float]] | None:
    """Find for each of ``pieces`` the shares of its characters that are in each of ``words``.

    Both are the same text, split in two ways, of which spaces do not count. None where they are
    not as long as each other.
    """
    lengths = [len(bare(piece)) for piece in pieces]
    owners = [place for place, word in enumerate(words) for _ in bare(word)]
    if len(owners) != sum(lengths):
        return None
    characters = iter(owners)
    return [
        {place: count / length for place, count in Counter(islice(characters, length)).items()}
        for length in lengths
    ]


def bare(text: str) -> str:
    return "".join(text.split())


def runs(marks: Sequence[str]) -> Iterator[tuple[str, range]]:
    """Group neighbours that have the same mark: the mark, and the places that have it."""
    start = 0
    for place in range(1, len(marks) + 1):
        if place == len(marks) or marks[place] != marks[start]:
            yield marks[start], range(start, place)
            start = place
