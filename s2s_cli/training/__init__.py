"""The training loop, the schedule, the update and its checkpoints."""
