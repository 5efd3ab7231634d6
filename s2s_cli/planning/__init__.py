"""Predictions of what a training will be like on some devices, before it is begun."""
