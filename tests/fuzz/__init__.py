"""Fuzzing by atheris: `python -m fuzz TARGET -max_total_time=600` from tests/, or `make fuzz`."""
