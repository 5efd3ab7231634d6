"""One HTML page about an experiment: settings, curves, scores, sentences that differ."""
