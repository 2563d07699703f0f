"""What the operator remembers in status: each part as a frozen class that reads and writes itself."""
