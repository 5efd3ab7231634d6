"""ValidationTranslations during a training, for people and for BLEU."""
