"""What answers: an estimator in this process, any flavour by MLflow's pyfunc, or ONNX Runtime
(`onnx.engine`)."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from driftlead_inference.engines.outputs import Outputs, outputs
from driftlead_inference.model import frames
from driftlead_inference.model.answers import AnswerForm, counted, typed
from driftlead_inference.rows.signature import Signature

Rows = Sequence[Sequence[object]]
Matrix = NDArray[np.float64]


class Engine(Protocol):
    """Answers batches. `name` stands in /health, metrics and the log."""

    name: str

    def predict(self, rows: Rows, matrix: Matrix | None, *, probabilities: bool = False) -> Outputs:
        """The answers to `rows`; `matrix` is the same as (rows, features) where all features are numbers."""


class Estimator(Protocol):
    """What `flavours.Loaded` is, without importing MLflow."""

    @property
    def flavour(self) -> str:
        """What MLflow calls it."""

    def predict(
        self, data: Any, probabilities: bool = False
    ) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
        """Answers and probabilities for an array or a frame."""


class LoadedEngine:
    """A model that MLflow loaded, given arrays or frames as was found out at load."""

    def __init__(
        self,
        loaded: Estimator,
        signature: Signature,
        takes: str,
        labels: Sequence[str],
        form: AnswerForm = AnswerForm(),  # noqa: B008 - frozen
    ) -> None:
        self.name = loaded.flavour
        self.loaded = loaded
        self.signature = signature
        self.takes = takes
        # Arrays of float64 are what the batch holds already.
        self.as_it_is = takes == "array" and signature.array_dtype == "float64"
        self.labels = {text: number for number, text in enumerate(labels)}
        self.type = form.type

    def predict(self, rows: Rows, matrix: Matrix | None, *, probabilities: bool = False) -> Outputs:
        if self.as_it_is:
            answers, likely = counted(self.loaded.predict(matrix, probabilities), len(rows))
        else:
            answers, likely = frames.predict(
                self.loaded, self.signature, self.takes, rows, probabilities=probabilities
            )
        return outputs(typed(answers, self.type), likely, self.labels)
