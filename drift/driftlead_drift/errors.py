"""The one exception that a command ends with when it cannot do its work."""


class CannotJudgeError(Exception):
    """A sentence for the person who reads it: what is wrong, what was seen, what to do. Exits with 1."""


class TooEarlyError(CannotJudgeError):
    """There is nothing to judge against yet, but there will be: the verdict is insufficient, no failure."""
