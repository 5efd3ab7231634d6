"""The modules of the recipe of speed, for its tests."""

import importlib
import sys
from pathlib import Path
from typing import Any

SPEED = Path(__file__).parents[2] / "recipes/speed"


def module(name: str) -> Any:
    """A module of the recipe, which is not installed."""
    sys.path.insert(0, str(SPEED))
    try:
        return importlib.import_module(f"bench.{name}")
    finally:
        sys.path.remove(str(SPEED))
