"""The images of this repository: what each is made of, tags by content, and how they are built."""
