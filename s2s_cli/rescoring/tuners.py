"""The tuners: ways to search for weights of a list's features."""

from collections.abc import Sequence
from typing import assert_never

from torch import Tensor

from s2s_cli.rescoring.candidates import Candidates
from s2s_cli.rescoring.config import TunerConfig
from s2s_cli.rescoring.mert import mert
from s2s_cli.rescoring.mira import mira


def run_tuner(
    candidates: Candidates, starts: Sequence[Tensor], config: TunerConfig
) -> list[tuple[float, Tensor]]:
    """Search for weights [F] for which the winners have high BLEU.

    Args:
        candidates: the list, with one feature that differs at least.
        starts: weights to begin with, [F], where the tuner takes some.
        config: which tuner, and its settings.

    Returns:
        Weights to choose from, with BLEU of the winners by them, in no order.
    """
    match config.tuner:
        case "mert":
            return mert(candidates, starts, config)
        case "mira":
            return mira(candidates, config)
        case _:
            assert_never(config.tuner)
