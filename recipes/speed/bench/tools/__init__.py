"""The programs that are measured, ours first; each knows how it is told to do the same work."""
