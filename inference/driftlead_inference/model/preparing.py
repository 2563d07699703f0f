"""What the serving process and the preparing process say to each other: a request, a result, a file of facts.

The file outlives both: it stands beside the cached artifact, and the next start serves by it.
"""

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from driftlead_inference.model.cache import write_whole
from driftlead_inference.model.prepared import Prepared

LIBRARIES = ("scikit-learn", "skl2onnx", "onnxruntime", "numpy", "mlflow-skinny", "driftlead")


class PrepareRequest(msgspec.Struct, frozen=True):
    """What to prepare. `conversion`: the setting `onnx`; `result`: the file for the `PrepareResult`."""

    uri: str
    name: str
    registry: str
    cache_dir: str
    conversion: str
    result: str
    convert_seconds: int = 120


class PrepareResult(msgspec.Struct, frozen=True):
    """The cache entry that holds the model, or the exit code and the sentence of why there is none."""

    entry: str = ""
    code: int = 0
    message: str = ""
    version: str = ""


def file_name(conversion: str) -> str:
    """The name of the prepared file: other versions of the libraries, or another setting, prepare again."""
    parts = [conversion]
    for library in LIBRARIES:
        try:
            parts.append(f"{library}={version(library)}")
        except PackageNotFoundError:
            parts.append(f"{library}=none")
    return f"prepared-{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:16]}.json"


def load(path: Path) -> Prepared | None:
    """What was prepared before; None when nothing was, or by a version that wrote it differently."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Prepared)
    except (OSError, msgspec.DecodeError):
        return None


def save(path: Path, prepared: Prepared) -> None:
    """Keeps it for the next start."""
    write_whole(path, msgspec.json.encode(prepared))
