"""Report of ``s2s prep``, for people and as prep.json."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from s2s_cli.console import counted
from s2s_cli.text.tokenise import TokeniserKind, make_tokeniser


@dataclass
class SplitReport:
    """Pairs read, kept and dropped by reason; words kept on the source and the target side.

    Attributes:
        pieces: of these words by language, where they were split here.
    """

    read: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    words: list[int] = field(default_factory=lambda: [0, 0])
    pieces: dict[str, int] = field(default_factory=dict)


@dataclass
class PrepReport:
    """Reports by split, and the odd characters of all text by side.

    Attributes:
        changes: what differs from the settings of an earlier run in the same directory.
    """

    languages: tuple[str, str]
    tokeniser: TokeniserKind
    splits: dict[str, SplitReport] = field(default_factory=dict)
    odd: tuple[Counter[str], Counter[str]] = field(default_factory=lambda: (Counter(), Counter()))
    changes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "format": 1,
            "splits": {
                name: {
                    "read": split.read,
                    "kept": split.kept,
                    "dropped": dict(sorted(split.dropped.items())),
                    "words": dict(zip(self.languages, split.words, strict=True)),
                    **({"pieces": split.pieces} if split.pieces else {}),
                }
                for name, split in self.splits.items()
            },
            "odd_characters": {
                language: {
                    kind: {"count": count, "done": self.treatment(kind)}
                    for kind, count in sorted(odd.items())
                }
                for language, odd in zip(self.languages, self.odd, strict=True)
            },
        }

    def treatment(self, kind: str) -> str:
        """Describe what was done about one class of odd characters, in any language."""
        return make_tokeniser(self.tokeniser, "").treatment(kind)

    def lines(self) -> list[str]:
        """A short summary."""
        lines = []
        for name, split in self.splits.items():
            reasons = ", ".join(f"{count:,} {why}" for why, count in sorted(split.dropped.items()))
            lines.append(
                f"{name}: {counted(split.read, 'pair')} read, {split.kept:,} kept"
                + (f", dropped: {reasons}" if reasons else "")
            )
            lines += [
                f"{name}.{language}: {split.pieces[language]:,} pieces of {words:,} words"
                for language, words in zip(self.languages, split.words, strict=True)
                if language in split.pieces
            ]
        for language, odd in zip(self.languages, self.odd, strict=True):
            lines += [
                f"{language}: {count:,} × {kind}: {self.treatment(kind)}"
                for kind, count in sorted(odd.items())
            ]
        return lines
