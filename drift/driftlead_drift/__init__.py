"""The drift check, the comparison of canary with prod, and retraining."""
