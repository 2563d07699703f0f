"""Text of foreign origin, such as a column's name, as it may be shown: it is no command to a terminal."""


def printable(text: str, keep: str = "") -> str:
    """Control and direction characters as escapes, but for those to keep."""
    return "".join(c if c.isprintable() or c in keep else f"\\u{ord(c):04x}" for c in text)
