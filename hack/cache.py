"""Where built programs are kept, and the compiler that builds them."""

import os
import shutil
from pathlib import Path


def cache() -> Path:
    """The folder of built programs: ~/.cache/driftlead, or where DRIFTLEAD_CACHE moves it."""
    return Path(os.environ.get("DRIFTLEAD_CACHE", Path.home() / ".cache/driftlead"))


def require_go(what: str) -> None:
    """Raises SystemExit where Go is not installed, which `what` is built with."""
    if not shutil.which("go"):
        raise SystemExit(
            f"Go is missing, and {what} needs it; install Go 1.25 or newer (https://go.dev/doc/install)"
        )
