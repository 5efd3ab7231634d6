"""Sequence to sequence learning with deep LSTMs, on the command line."""

__version__ = "0.3.0.dev0"
