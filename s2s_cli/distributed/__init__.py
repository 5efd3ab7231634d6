"""Several processes and devices: launching, ranks, replicas, state dicts of spread models."""
