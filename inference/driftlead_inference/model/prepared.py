"""What the preparing process found out about a model, as data that the serving process reads."""

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from driftlead_inference.model.cache import Source, write_whole
from driftlead_inference.rows.signature import Signature

MOST_TRIES = 2
LIBRARIES = ("scikit-learn", "skl2onnx", "onnxruntime", "numpy", "mlflow-skinny", "driftlead")


class Prepared(msgspec.Struct, frozen=True):
    """Everything that serving a version needs to know beside the artifact itself.

    engine          sklearn, xgboost, lightgbm, pyfunc or onnx; engine_reason says why not a faster one
    takes           whether the model gets an array or a frame
    accepts_missing positions of features whose null is answered
    accepts_huge    whether numbers beyond float32 are answered
    classes         of a classifier, in the order of its probabilities
    labels          text classes in the order of their numbers in the log
    example         a row for the smoke prediction; example_kind: input example, baseline or zeros
    onnx            file beside this one, with its sha256 and input type, where it serves
    warnings        sentences to say before traffic
    tries           how often a conversion was begun; settled says that one came to a verdict
    """

    source: Source
    digest: str
    signature: Signature
    flavour: str
    engine: str
    engine_reason: str
    takes: str
    accepts_missing: tuple[int, ...]
    accepts_huge: bool
    example: list[Any]
    example_kind: str
    classes: list[Any] | None = None
    labels: tuple[str, ...] = ()
    probabilities: bool = False
    onnx: str = ""
    onnx_sha256: str = ""
    onnx_type: str = ""
    warnings: tuple[str, ...] = ()
    seconds: dict[str, float] = {}
    tries: int = 0
    settled: bool = True

    @property
    def converts(self) -> bool:
        """Whether a conversion is still worth a try: one that was interrupted is, one that crashes twice is
        not."""
        return not self.settled and self.tries < MOST_TRIES


class Wish(msgspec.Struct, frozen=True):
    """What the serving process asks for."""

    uri: str
    name: str
    registry: str
    cache_dir: str
    conversion: str
    result: str
    convert_seconds: int = 120


class Found(msgspec.Struct, frozen=True):
    """Where it lies now, or why it does not."""

    entry: str = ""
    code: int = 0
    message: str = ""
    version: str = ""


def file_name(conversion: str) -> str:
    """The name of the prepared file: other versions of the libraries, or another wish, prepare anew."""
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
