"""What is to be done about a resource, and what is said of it: pure functions over named facts."""
