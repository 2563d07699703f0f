"""ONNX Runtime as the engine: no scikit-learn, pandas or MLflow in the process that serves."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from driftlead_formats.baseline.binning import to_float32
from driftlead_inference.engines.base import Matrix, Rows
from driftlead_inference.engines.outputs import Outputs, outputs
from driftlead_inference.model.answers import AnswerForm, typed


class Session:
    """A loaded ONNX model: answers for (rows, features) in float64."""

    def __init__(self, model: bytes | Path, dtype: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
        options.inter_op_num_threads = 1
        # Spinning threads would take the quota from the requests.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        source = str(model) if isinstance(model, Path) else model
        self.session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        # What nobody asked for, probabilities mostly, is not computed.
        self.options = onnxruntime.RunOptions()
        self.options.only_execute_path_to_fetches = True
        self.dtype = dtype
        self.names = [output.name for output in self.session.get_outputs()]

    def run(self, matrix: Matrix, *, probabilities: bool = False) -> tuple[NDArray[Any], Matrix | None]:
        """Answers (rows,) or (rows, outputs), and probabilities (rows, classes) where asked for."""
        wanted = self.names[:2] if probabilities and len(self.names) > 1 else self.names[:1]
        given = to_float32(matrix) if self.dtype == "float" else matrix
        found = self.session.run(wanted, {"x": given}, self.options)
        answers = found[0]
        if answers.ndim == 2 and answers.shape[1] == 1:
            answers = answers[:, 0]
        return answers, found[1] if len(found) > 1 else None


class OnnxEngine:
    """Serves a verified conversion, whose answers become what scikit-learn's are: ONNX has no truth, and no
    classes that are fractions."""

    name = "onnx"

    def __init__(
        self, session: Session, labels: Sequence[str], form: AnswerForm, *, probabilities: bool = True
    ) -> None:
        self.session = session
        self.probabilities = probabilities  # the file's second output may be scores that are none
        self.type = form.type
        self.shape = form.shape
        self.labels = {text: number for number, text in enumerate(labels)}

    def predict(self, rows: Rows, matrix: Matrix | None, *, probabilities: bool = False) -> Outputs:
        """Asks ONNX Runtime; only models of numbers are converted, so there is a matrix."""
        if matrix is None:
            matrix = np.array(rows, dtype=np.float64)
        answers, likely = self.session.run(matrix, probabilities=probabilities and self.probabilities)
        if answers.shape[1:] != self.shape:
            answers = answers.reshape(len(answers), *self.shape)
        return outputs(typed(answers, self.type), likely, self.labels)
