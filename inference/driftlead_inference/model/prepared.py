"""What is known of a model version beside its artifact, as data. Pure."""

import hashlib
from typing import Any

import msgspec

from driftlead_inference.model.answers import AnswerForm
from driftlead_inference.rows.signature import Signature

MOST_TRIES = 2


class Source(msgspec.Struct, frozen=True):
    """Where a model version comes from. A local folder has no registry and its path as source."""

    registry: str
    name: str
    version: str
    source: str
    run_id: str = ""
    labels: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The entry's folder name."""
        parts = msgspec.json.encode([self.registry, self.name, self.version, self.source])
        return hashlib.sha256(parts).hexdigest()[:32]


class Prepared(msgspec.Struct, frozen=True):
    """Everything that serving a version needs to know beside the artifact itself.

    engine          sklearn, xgboost, lightgbm, pyfunc or onnx; engine_reason says why not a faster one
    takes           whether the model gets an array or a frame
    accepts_missing positions of features whose null is answered
    accepts_huge    whether numbers beyond float32 are answered
    classes         of a classifier, in the order of its probabilities
    labels          text classes in the order of their numbers in the log
    answer          type and shape of a row's answer
    example         a row for the smoke prediction; example_kind: input example, baseline or zeros
    onnx            file beside this one, with its sha256 and input type, where it serves
    warnings        sentences to say before traffic
    tries           how often a conversion was begun; settled says that one came to a result
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
    answer: AnswerForm = AnswerForm()
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
