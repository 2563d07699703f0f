"""The termination message: the few kilobytes that a container leaves for whoever reads its pod's status.

The kubelet keeps the last 4,096 bytes of the file, so a longer document would lose its beginning and no
longer parse. What is written here always fits, counted in bytes.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LIMIT = 3 * 1024
"""Bytes of a message; the rest of the 4,096 is left to what a runtime may write after it."""
CUT = " [...] "


def fitted(message: Mapping[str, Any], limit: int = LIMIT) -> str:
    """The message as one line of JSON within the limit: lists are cut first, then the longest text.

    A long text loses its middle: an error's beginning says what was done, its end what went wrong.
    """
    fields = json.loads(_compact(message))  # as it will be read: a lone surrogate is a question mark
    while len(text := _compact(fields)) > limit:
        lists = [name for name, value in fields.items() if isinstance(value, list) and value]
        if lists:
            fields[lists[0]] = fields[lists[0]][:-1]
            continue
        longest = max((n for n, v in fields.items() if isinstance(v, str)), key=lambda n: len(fields[n]))
        fields[longest] = _without_middle(fields[longest], len(text) - limit)
    return text.decode()


def write(path: Path | None, message: Mapping[str, Any]) -> None:
    """Writes the message where Kubernetes has made a file for it; elsewhere nobody reads one.

    Where it cannot be written the exit code must not change: the verdict stands in the log and S3 as well.
    """
    if path is None or (path.parent == Path("/dev") and not path.exists()):
        return
    try:
        path.write_text(fitted(message))
    except OSError:
        return


def _without_middle(text: str, excess: int) -> str:
    """The text shorter by at least `excess` bytes, cut between characters; never longer than before."""
    body = text.encode()
    kept = len(body) - excess - len(CUT)
    if kept <= 0:
        return text[: len(text) // 2]
    begin, end = body[: kept * 2 // 5], body[len(body) - kept * 3 // 5 :]
    return begin.decode(errors="ignore") + CUT + end.decode(errors="ignore")


def _compact(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
