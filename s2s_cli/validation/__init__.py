"""Translations of validation sentences during a training, for people and for BLEU."""
