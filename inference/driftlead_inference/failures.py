"""Why a start fails: an exit code, a sentence, and where Kubernetes reads them."""

import json
from pathlib import Path

from driftlead_formats.exit_codes import ExitCode

MESSAGE_BYTES = 3072  # the kubelet keeps the last 4,096 bytes; the whole document must fit


class StartFailed(Exception):  # noqa: N818 - named after what the pod says
    """The server cannot serve what it was told to; `code` says whom that blames."""

    def __init__(self, code: ExitCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def termination_message(code: ExitCode, message: str, version: str) -> str:
    """The JSON that stands in the pod's status; long messages lose their middle, never their end."""
    room = MESSAGE_BYTES - 256
    while True:
        text = json.dumps({"reason": code.reason, "message": message, "version": version}, ensure_ascii=False)
        if len(text.encode()) <= MESSAGE_BYTES:
            return text
        message = f"{message[: room // 3]} [...] {message[-room // 2 :]}"
        room = room * 3 // 4


def leave_message(path: Path, code: ExitCode, message: str, version: str) -> None:
    """Writes the termination message where Kubernetes has made a file for it; elsewhere nobody reads one."""
    if path.exists() or path.parent != Path("/dev"):
        path.write_text(termination_message(code, message, version))
