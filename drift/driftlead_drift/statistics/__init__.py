"""Statistics of drift and of the canary's comparison: pure functions of counts, with their sources."""
