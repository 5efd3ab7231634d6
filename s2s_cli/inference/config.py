"""Settings of minimum Bayes risk, known without torch."""

from dataclasses import dataclass

from s2s_cli.errors import UsageError
from s2s_cli.settings import setting

DEFAULT_SCALE = 1.0
RISK = "Minimum Bayes risk"


@dataclass(frozen=True)
class MbrConfig:
    """The choice of the hypothesis with the highest expected BLEU."""

    mbr: bool = setting(False, "Choose the hypothesis with the highest expected BLEU.", panel=RISK)
    mbr_scale: float = setting(
        DEFAULT_SCALE,
        "With --mbr: factor of the log probabilities.",
        min=0,
        max=1e6,
        panel=RISK,
    )

    def check(self) -> None:
        """Refuse a scale that nothing uses.

        Raises:
            UsageError: names the option to add.
        """
        if self.mbr_scale != DEFAULT_SCALE and not self.mbr:
            raise UsageError("--mbr-scale is for --mbr; add that option")
