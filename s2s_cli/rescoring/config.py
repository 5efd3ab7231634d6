"""Settings of minimum error rate training (MERT), known without torch."""

from dataclasses import dataclass

from s2s_cli.settings import setting


@dataclass(frozen=True)
class MertConfig:
    """The random starts of a search for weights."""

    restarts: int = setting(10, "Random starts of --tune, besides total and even average.", min=0)
    seed: int = setting(1, "Seed of --tune.", min=0)
