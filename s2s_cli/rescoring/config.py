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


TUNING = "Tuning weights"


@dataclass(frozen=True)
class TunerConfig:
    """The tuner of --tune, and its settings."""

    tuner: Tuner = setting("mert", "Tuner; mira suits many features.", panel=TUNING)
    restarts: int = setting(
        10,
        "With mert: random starting points, besides the total and the even average.",
        min=0,
        max=10_000,
        panel=TUNING,
    )
    seed: int = setting(1, "Seed of the tuner.", min=0, max=MANY, panel=TUNING)


WINNERS = "Choosing the winners"
FEATURE = "Adding a feature"
EVEN = 0.5  # share of the model in the average with the total (§3.2)


@dataclass(frozen=True)
class RescoringConfig:
    """Use of a scored list: its text, the choice of winners, and what is written."""

    source: Path = setting(
        Path("corpus/test.en"), "Text that was translated, one segment on each line."
    )
    add_feature: bool = setting(
        False,
        "Write the list with the model's score as one more feature, not the winners.",
        panel=FEATURE,
    )
    feature_name: str = setting(
        "s2s",
        "Name of that feature. A list that has it already is not scored again.",
        panel=FEATURE,
    )
    weight: float = setting(
        EVEN,
        "Weight of the model's score in the average with the list's total.",
        min=0,
        max=1,
        panel=WINNERS,
    )
    weights: Path | None = setting(
        None,
        "File with weights of all features, to rank by; with --tune it is written.",
        writes=Writes(when="tune"),
        panel=WINNERS,
    )
    tune: list[Path] | None = setting(
        None,
        "Find the weights with the highest BLEU against this reference (repeat for several).",
        panel=TUNING,
    )
    detokenise: bool = setting(False, "Write the winners as running text.", panel=WINNERS)
    language: str = setting("", "Language of a list that has scores already.")
    first_id: int = setting(0, "Id in the list for the first line of the source.", min=0, max=MANY)
    list_name: list[str] | None = setting(
        None, "Label of each list, in their order, for several lists (repeat)."
    )

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
