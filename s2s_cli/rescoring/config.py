"""Settings of tuners, known without torch."""

from dataclasses import dataclass
from typing import Literal

from s2s_cli.settings import MANY, setting

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
