"""The API server: what is watched, remembered, read and written there, and who leads."""
