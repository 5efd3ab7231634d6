"""Speed, measured: ours, the plain reference and each peer that is installed, on the same work."""
