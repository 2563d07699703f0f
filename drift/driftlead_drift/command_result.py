"""What a command comes to: its exit code, and the same result for people and for programs."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from driftlead_formats.verdicts import CommandExit


class CommandResult(NamedTuple):
    """`words`: for a terminal. `document`: what `--json` prints.

    `error`: the sentence for stderr, where it could not do its work.
    """

    exit_code: CommandExit
    words: str
    document: Mapping[str, Any]
    error: str = ""
