"""What components exchange: documents, enums, exit codes, bins, the baseline. Anybody may import it."""
