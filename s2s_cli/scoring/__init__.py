"""BLEU, chrF, their signatures and intervals; figures and tables to look at."""
