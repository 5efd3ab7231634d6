"""One step of any model, as search needs it."""
