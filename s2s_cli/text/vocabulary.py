"""Words and their ids; the two symbols are ids, not words, so no text can collide with them."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from s2s_cli.atomic_files import AtomicFiles
from s2s_cli.errors import UserError
from s2s_cli.files import read_lines, regular

EOS = 0
UNK = 1
SYMBOLS = 2
UNK_SURFACE = "UNK"
LONGEST_COUNT = 18  # digits; no text has more words


class Vocabulary:
    """The words of one language, most frequent first; word i has id i + 2.

    Ids 0 (`EOS`) and 1 (`UNK`) belong to no word: a literal ``UNK`` or ``<unk>`` in the text is a
    word like any other. ``len()`` counts both, as the rows of an embedding table do.
    """

    def __init__(self, words: Sequence[str], counts: Sequence[int]) -> None:
        self.words = list(words)
        self.counts = list(counts)

    def __len__(self) -> int:
        return len(self.words) + SYMBOLS

    @cached_property
    def ids(self) -> dict[str, int]:
        """Id of each word."""
        return {word: index for index, word in enumerate(self.words, SYMBOLS)}

    @cached_property
    def unknown(self) -> str:
        """Surface of `UNK`: ``UNK`` as in the paper, or ``UNK_`` where that is a word.

        It is never a word of this vocabulary, so it reads back as `UNK`.
        """
        surface = UNK_SURFACE
        while surface in self.ids:
            surface += "_"
        return surface

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the words in order: two vocabularies agree exactly where this agrees."""
        return hashlib.sha256("\n".join(self.words).encode()).hexdigest()

    def encode(self, words: Iterable[str]) -> list[int]:
        """Look up the ids of ``words``, `UNK` for each that is not in the vocabulary."""
        look_up = self.ids.get
        return [look_up(word, UNK) for word in words]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Look up the words of ``ids``; `UNK` becomes `unknown`, `EOS` is left out."""
        return [
            self.unknown if index == UNK else self.words[index - SYMBOLS]
            for index in ids
            if index != EOS
        ]

    def write(self, path: Path) -> None:
        """Write one ``word<TAB>count`` a line, in the order of ids."""
        with AtomicFiles() as files:
            self.write_with(files, path)

    def write_with(self, files: AtomicFiles, path: Path) -> None:
        """Write like `write`, together with other files."""
        stream = files.open(path)
        for word, count in zip(self.words, self.counts, strict=True):
            stream.write(f"{word}\t{count}\n".encode())

    @classmethod
    def read(cls, path: Path) -> "Vocabulary":
        """Read what `write` wrote.

        Raises:
            UserError: missing file; a line that is not ``word<TAB>count``; a word twice.
        """
        regular(path)
        words, counts = [], []
        for number, line in enumerate(read_lines(path), 1):
            word, tab, count = line.rpartition("\t")
            number_of = count.isascii() and count.isdigit() and len(count) <= LONGEST_COUNT
            if not (word and tab and number_of) or " " in word:
                raise UserError(f"{path}:{number}: expected a word, a tab and its count")
            words.append(word)
            counts.append(int(count))
        vocabulary = cls(words, counts)
        if len(vocabulary.ids) != len(words):
            raise UserError(f"{path}: a word stands twice; make the vocabulary again")
        return vocabulary
