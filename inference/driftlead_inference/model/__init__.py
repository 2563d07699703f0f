"""A model version as files and facts: its URI, its cached artifact, what was found out, its loader."""
