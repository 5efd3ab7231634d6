"""Settings of rescoring and of tuners, known without torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from s2s_cli.errors import UsageError
from s2s_cli.files import STDIO
from s2s_cli.inference.config import MbrConfig
from s2s_cli.settings import MANY, Writes, setting
from s2s_cli.text.features import TOTAL, UNLABELLED

# Minimum error rate training (Och 2003), and batch MIRA (Cherry and Foster 2012)
Tuner = Literal["mert", "mira"]


@dataclass(frozen=True)
class TunerConfig:
    """The tuner of --tune, and its settings."""

    tuner: Tuner = setting("mert", "mira suits many features.")
    restarts: int = setting(
        10, "Random starts of mert, besides total and even average.", min=0, max=10_000
    )
    seed: int = setting(1, "Seed of --tune.", min=0, max=MANY)


EVEN = 0.5  # share of the model in the average with the total (§3.2)


@dataclass(frozen=True)
class RescoringConfig:
    """Use of a scored list: its text, the choice of winners, and what is written."""

    source: Path = setting(
        Path("corpus/test.en"), "The text that was translated, one segment a line."
    )
    add_feature: bool = setting(False, "Write the list with the model's score as one more feature.")
    feature_name: str = setting(
        "s2s", "Name of that feature; a list that has it is not scored again."
    )
    weight: float = setting(EVEN, "Share of the model in the average with the total.", min=0, max=1)
    weights: Path | None = setting(
        None, "Rank by weights of all features, in this file.", writes=Writes(when="tune")
    )
    tune: list[Path] | None = setting(
        None, "Write --weights with the highest BLEU against this reference (repeat)."
    )
    detokenise: bool = setting(False, "Write winners as running text.")
    language: str = setting("", "Language of a list that has scores.")
    first_id: int = setting(0, "Id in the list of the first line of the source.", min=0, max=MANY)
    list_name: list[str] | None = setting(None, "Label of each of several lists (repeat).")

    def check(self, lists: Sequence[Path], risk: MbrConfig) -> None:
        """Refuse settings that exclude each other, and names that cannot be meant.

        Raises:
            UsageError: names the option to add or to leave out.
        """
        if [*lists, self.source, *(self.tune or [])].count(STDIO) > 1:
            raise UsageError("of the list, source and references only one can be stdin")
        check_feature_name(self.feature_name)
        if self.tune and not self.weights:
            raise UsageError("--tune writes weights; say where: --weights FILE")
        if self.add_feature and self.weights:
            raise UsageError("--add-feature writes the list and --weights its winners; give one")
        if self.list_name and len(lists) == 1:
            raise UsageError("--list-name is for several lists; leave it out")
        if len(lists) > 1 and self.weight != EVEN:
            raise UsageError(
                "--weight is a share beside the total of one list; totals of several lists do not "
                "compare, so rank them with --weights"
            )
        risk.check()
        if risk.mbr and (self.add_feature or self.tune):
            use = "--add-feature" if self.add_feature else "--tune"
            raise UsageError(
                f"--mbr does not go with {use}; give one, and the other in a second run"
            )


def check_feature_name(name: str) -> None:
    """Refuse what would not read back as the name of a feature, or is that of something else.

    Raises:
        UsageError: always then.
    """
    if not name.isprintable() or not name or set(name) & set(" |=:"):
        raise UsageError(
            f"--feature-name {name!r}: not a name for a feature; it needs letters, digits or marks "
            "that can be seen, other than | = and :"
        )
    if name in (TOTAL, UNLABELLED):
        raise UsageError(f"--feature-name {name}: means something else here; take another name")
