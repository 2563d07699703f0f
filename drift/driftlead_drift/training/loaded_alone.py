"""Run as a script, by `loading`: loads the model of a folder and asks it, with nothing of ours at hand."""

import pickle
import sys
from pathlib import Path

MODEL, ROWS, ANSWERS = "model", "rows.pickle", "answers.pickle"


def main(folder: Path) -> None:
    """Answers the folder's rows by the folder's model."""
    import mlflow.pyfunc  # noqa: PLC0415 - heavy
    import numpy as np  # noqa: PLC0415

    model = mlflow.pyfunc.load_model(str(folder / MODEL))
    rows = pickle.loads((folder / ROWS).read_bytes())  # noqa: S301 - written by the process that waits for us
    # MLflow takes no times with a zone; the server gives them to the estimator, in UTC.
    zoned = any(getattr(dtype, "tz", None) is not None for dtype in rows.dtypes)
    answers = (model.get_raw_model() if zoned else model).predict(rows)
    (folder / ANSWERS).write_bytes(pickle.dumps(np.asarray(answers)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
