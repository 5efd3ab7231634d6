"""The settings of tuning, known without torch."""

from dataclasses import dataclass

from s2s_cli.settings import setting


@dataclass(frozen=True)
class TuningConfig:
    """How to search for weights."""

    restarts: int = setting(10, "Random starts of --tune, besides total and even average.", min=0)
    seed: int = setting(1, "Seed of --tune.", min=0)
