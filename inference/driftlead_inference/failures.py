"""Why a start fails: an exit code, a sentence, and where Kubernetes reads them."""

from pathlib import Path

from driftlead_formats import termination
from driftlead_formats.exit_codes import ExitCode
from driftlead_formats.summaries import ServerFailure


class StartFailed(Exception):  # noqa: N818 - named after what the pod says
    """The server cannot serve what it was told to; `code` says whom that blames."""

    def __init__(self, code: ExitCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def leave_message(path: Path, code: ExitCode, message: str, version: str) -> None:
    """Leaves code and sentence as the pod's termination message, from which the operator has its words."""
    termination.write(path, ServerFailure(reason=code.reason, message=message, version=version).dump())
