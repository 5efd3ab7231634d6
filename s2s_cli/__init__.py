"""Sequence to sequence learning with deep LSTMs, on the command line."""

__version__ = "0.2.0"
