"""A phrase-based system of statistical machine translation, made from what ``s2s prep`` wrote."""
