"""Decisions over frozen facts: no clock, no client, no environment; time and counts are arguments."""
