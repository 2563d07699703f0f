"""Connections as files: one file per environment variable, projected from a Secret and a ConfigMap.

Kubernetes replaces the files when the Secret changes, so whoever reconnects reads them again. How they become
settings: `settings_source`.
"""

import os
from pathlib import Path


def load_connections(folder: Path | None) -> dict[str, str]:
    """The variables in a folder, by name; empty without a folder.

    Kubernetes' own `..data` links and a trailing newline that `echo` left are ignored.
    """
    if folder is None or not folder.is_dir():
        return {}
    return {
        file.name: file.read_text().removesuffix("\n")
        for file in sorted(folder.iterdir())
        if not file.name.startswith(".") and file.is_file()
    }


def export_connections(folder: Path | None) -> list[str]:
    """Puts AWS_*, MLFLOW_* and the like into `os.environ`, where they are not set yet; the names it set.

    boto3 and MLflow read their credentials from the environment only. Our own DRIFTLEAD_* stay files:
    settings read them there, and a value in the environment would win over the file when that is replaced.
    """
    missing = {
        name: value
        for name, value in load_connections(folder).items()
        if name not in os.environ and not name.startswith("DRIFTLEAD_")
    }
    os.environ.update(missing)
    return sorted(missing)
