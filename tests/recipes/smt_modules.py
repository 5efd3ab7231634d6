"""The modules of the phrase-based system, for its tests."""

import importlib
import sys
from pathlib import Path
from typing import Any

SMT = Path(__file__).parents[2] / "recipes/smt"


def module(name: str) -> Any:
    """A module of the recipe, which is not installed."""
    sys.path.insert(0, str(SMT))
    try:
        return importlib.import_module(f"smt.{name}")
    finally:
        sys.path.remove(str(SMT))
