"""Beam search, and the stream of lines around it."""
