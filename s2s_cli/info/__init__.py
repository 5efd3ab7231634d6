"""What `s2s info` prints: what is known of a model, data or export directory. No torch."""
