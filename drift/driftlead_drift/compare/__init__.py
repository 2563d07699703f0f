"""The comparison of a canary with prod, looked at once or again and again."""
