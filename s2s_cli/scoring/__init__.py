"""BLEU, chrF, their signatures and intervals."""
