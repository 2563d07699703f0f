"""The summary that the operator reads: compact JSON of at most 3 KiB in the container's termination
message.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LIMIT = 3 * 1024


def fitted(message: Mapping[str, Any], limit: int = LIMIT) -> str:
    """The message as one line of JSON within the limit: lists are cut first, then the longest texts.

    The kubelet keeps only the last 4,096 bytes of a message, so a longer one would lose its beginning.
    """
    fields = dict(message)
    while len(text := _compact(fields)) > limit:
        lists = [name for name, value in fields.items() if isinstance(value, list) and value]
        if lists:
            fields[lists[0]] = fields[lists[0]][:-1]
            continue
        longest = max((n for n, v in fields.items() if isinstance(v, str)), key=lambda n: len(fields[n]))
        excess = len(text) - limit
        fields[longest] = fields[longest][: -(excess + 4)] + "..."
    return text.decode()


def write(path: Path | None, message: Mapping[str, Any]) -> None:
    """Writes the message, if there is a place for it. A place that cannot be written is no reason to fail."""
    if path is None:
        return
    try:
        path.write_text(fitted(message))
    except OSError:
        # The verdict stands in the database and in S3 as well; the exit code must not change because of this.
        return


def _compact(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"), default=str).encode()
