"""The check of a window of traffic against a model version's baseline."""
