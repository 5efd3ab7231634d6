"""The scorer protocol and what is built on it: beam search, ensembles, rescoring."""
