"""What the command line cannot do, as a sentence for people."""


class Refused(Exception):  # noqa: N818 - it is printed, and "refused" is what happened
    """Ends the command with a sentence: what is wrong, what was seen, what to do. Exit code 1."""
