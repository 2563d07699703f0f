"""How a command ends: its exit code, and the same result for people and for programs."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from driftlead_formats.verdicts import CommandExit


class Ended(NamedTuple):
    """`words`: for a terminal. `document`: what `--json` prints.

    `trouble`: the sentence for stderr, where it could not do its work.
    """

    code: CommandExit
    words: str
    document: Mapping[str, Any]
    trouble: str = ""
