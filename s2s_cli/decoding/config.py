"""The settings of search, known without torch."""

from dataclasses import dataclass
from pathlib import Path

from s2s_cli.errors import UsageError
from s2s_cli.settings import setting

SEARCH = "Search"
ATTENTION = "With attention"
# Hypotheses of a sentence that are searched together.
MOST_BEAM = 10_000


@dataclass(frozen=True)
class BeamConfig:
    """Settings of beam search."""

    beam: int = setting(
        12, "Beam size: hypotheses kept at each step.", min=1, max=MOST_BEAM, panel=SEARCH
    )
    nbest: int = setting(
        0,
        "Write a Moses n-best list of this many hypotheses for each line. 0: only the best one, "
        "as text.",
        min=0,
        max=MOST_BEAM,
        panel=SEARCH,
    )
    normalise: float = setting(
        0.0,
        "Divide log probabilities by the length to this power. 0: do not, as in the paper.",
        min=0,
        max=10,
        panel=SEARCH,
    )
    max_length: int = setting(
        0,
        "Longest translation in words. 0: twice the source plus 10.",
        min=0,
        max=1_000_000,
        panel=SEARCH,
    )
    forbid_unk: bool = setting(False, "Never write UNK, the unknown word.", panel=SEARCH)

    def check(self) -> None:
        """Refuse settings that exclude each other.

        Raises:
            UsageError: more hypotheses are asked for than are kept.
        """
        if self.nbest > self.beam:
            raise UsageError(
                f"--nbest {self.nbest} needs a beam at least as large; add --beam {self.nbest}"
            )


@dataclass(frozen=True)
class AlignmentConfig:
    """Uses of attention, once a translation is found."""

    replace_unk: bool = setting(
        False,
        "Replace each UNK by the source word with the highest attention weight.",
        panel=ATTENTION,
    )
    dictionary: Path | None = setting(
        None,
        "With --replace-unk: a file with a source word and its translation on each line.",
        panel=ATTENTION,
    )
    alignments: bool = setting(
        False,
        "With --nbest: add word alignments by attention, such as 0-0 1-2.",
        panel=ATTENTION,
    )

    @property
    def needed(self) -> bool:
        return self.replace_unk or self.alignments

    def check(self, search: BeamConfig) -> None:
        """Refuse settings that exclude each other.

        Raises:
            UsageError: names the option to add or to leave out.
        """
        if self.replace_unk and search.forbid_unk:
            raise UsageError(
                "--forbid-unk leaves --replace-unk no UNK to replace; give one of them"
            )
        if self.dictionary and not self.replace_unk:
            raise UsageError("--dictionary is for --replace-unk; add that option")
        if self.alignments and not search.nbest:
            raise UsageError("--alignments go into an n-best list; add --nbest 1")
