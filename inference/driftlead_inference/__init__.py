"""The inference service: one process serves one exact model version."""
