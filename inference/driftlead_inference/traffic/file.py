"""Follows `traffic.json`: read again and again, since a kubelet swaps symbolic links and an editor renames.

A file that is not there means that nothing is forwarded. One that cannot be read, or is wrong, changes
nothing: what it said last stays in force, and `error` says what is wrong with it.
"""

from pathlib import Path
from typing import Final

from driftlead_formats.traffic_split import TrafficSplit, TrafficSplitError, parse

NOTHING: Final = TrafficSplit()
LONGEST: Final = 64 * 1024


class TrafficFile:
    """The file at `path`. `split` is what is in force."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.split = NOTHING
        self.error = ""
        self.text: bytes | None = None

    def look(self) -> bool:
        """Reads the file; whether what is in force has changed."""
        before = self.split
        try:
            with self.path.open("rb") as file:
                text = file.read(LONGEST + 1)
        except FileNotFoundError:
            self.text, self.split, self.error = None, NOTHING, ""
            return self.split != before
        except OSError as error:
            self.text, self.error = None, self.sentence(f"cannot be read: {error.strerror or error}")
            return False
        if text == self.text:
            return False
        self.text = text
        try:
            if len(text) > LONGEST:
                raise TrafficSplitError(f"it is larger than {LONGEST} bytes")
            self.split, self.error = parse(text), ""
        except TrafficSplitError as error:
            self.error = self.sentence(f"is not taken: {error}")
        return self.split != before

    def sentence(self, what: str) -> str:
        """What is wrong with the file, and what that means."""
        return f"{self.path} {what}; what it said before stays in force"
