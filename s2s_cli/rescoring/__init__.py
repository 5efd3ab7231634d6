"""N-best lists: scored as trees of prefixes, weighed, and their winners."""
