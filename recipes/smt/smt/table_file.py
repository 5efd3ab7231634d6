"""Phrase tables as files, in the layout of Moses: readable, and of use to it."""

from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from s2s_cli.errors import UserError
from s2s_cli.files import read_lines, replacing
from smt.corpus import Array
from smt.phrases import LONGEST
from smt.table import PhraseTable

BAR = " ||| "
Row = tuple[str, tuple[float, ...], tuple[float, ...]]  # target words, scores, reordering


def phrase_text(words: Sequence[int], vocabulary: list[str]) -> str:
    return " ".join(vocabulary[word - 1] for word in words if word)


def numbers(values: Array) -> str:
    return " ".join(f"{value:.7g}" for value in np.exp(values).tolist())


def alignment_text(bits: int) -> str:
    """Write the links inside a phrase pair as Moses does: ``0-0 1-2``."""
    places = (place for place in range(LONGEST * LONGEST) if bits >> place & 1)
    return " ".join(f"{place // LONGEST}-{place % LONGEST}" for place in places)


def write_table(
    table: PhraseTable, source: list[str], target: list[str], phrases: Path, reordering: Path
) -> None:
    """Write the phrase table and the reordering table; the vocabularies are those of its ids."""
    with replacing(reordering) as turns, replacing(phrases) as scores:
        for row in range(len(table.source)):
            pair = BAR.join(
                (
                    phrase_text(table.source[row].tolist(), source),
                    phrase_text(table.target[row].tolist(), target),
                )
            )
            counts = " ".join(map(str, table.counts[row].tolist()))
            inside = alignment_text(int(table.alignment[row]))
            fields = pair, numbers(table.scores[row]), inside, counts
            scores.write(f"{BAR.join(fields)}\n".encode())
            turns.write(f"{pair}{BAR}{numbers(table.reordering[row])}\n".encode())


class TranslationTable:
    """The translations of each source phrase, as they were written."""

    def __init__(self, phrases: Path, reordering: Path) -> None:
        """Read both tables.

        Raises:
            UserError: they are not about the same pairs.
        """
        self.rows: dict[str, tuple[int, int]] = {}
        self.targets: list[str] = []
        values = array("d")
        both = zip(read_lines(phrases), read_lines(reordering), strict=False)
        for number, (line, other) in enumerate(both):
            source, target, scores, *_ = line.split(BAR)
            if not other.startswith(f"{source}{BAR}{target}{BAR}"):
                raise UserError(f"{reordering}:{number + 1} is another pair than in {phrases}")
            turns = other.rsplit(BAR, 1)[1]
            self.rows[source] = self.rows.get(source, (number, 0))[0], number + 1
            self.targets.append(target)
            values.extend(map(float, f"{scores} {turns}".split()))
        self.values = np.log(np.array(values).reshape(-1, 10))

    def get(self, source: str) -> list[Row]:
        """Return the translations of a phrase."""
        first, end = self.rows.get(source, (0, 0))
        return [
            (target, tuple(values[:4]), tuple(values[4:]))
            for target, values in zip(
                self.targets[first:end], self.values[first:end].tolist(), strict=True
            )
        ]
