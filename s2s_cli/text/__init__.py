"""Lines, words, vocabularies and n-best lists; nothing here imports torch."""
