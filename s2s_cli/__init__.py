"""Sequence to sequence learning with deep LSTMs, on the command line and from Python."""

from typing import TYPE_CHECKING, Any

from s2s_cli.errors import UserError

if TYPE_CHECKING:
    from s2s_cli.api import AttentionMap, Translation, Translator

__version__ = "0.3.0.dev0"
__all__ = ["AttentionMap", "Translation", "Translator", "UserError", "__version__"]


def __getattr__(name: str) -> Any:
    """Import the Python interface when it is asked for, so that commands start without torch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from s2s_cli import api

    return getattr(api, name)
