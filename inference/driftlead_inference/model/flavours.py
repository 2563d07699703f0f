"""Loading a model by MLflow, and how an estimator is asked. Imports MLflow and scikit-learn: heavy, on
purpose here."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead_formats.exit_codes import ExitCode
from driftlead_inference.failures import StartFailed
from driftlead_inference.model.answers import Answers, UnusableAnswer, in_order, unmasked

BOOSTERS = ("xgboost", "lightgbm")  # flavours of MLflow that may hold an estimator of scikit-learn's kind


@dataclass(frozen=True)
class Loaded:
    """A model in memory. `estimator` is None for flavours that only MLflow's pyfunc knows."""

    flavour: str
    estimator: Any
    pyfunc: Any

    @property
    def classes(self) -> list[Any] | None:
        """The classes of a classifier with one output, else None."""
        classes = getattr(self.estimator, "classes_", None)
        if not isinstance(classes, np.ndarray) or classes.ndim != 1:
            return None
        return list(classes.tolist())

    @property
    def has_probabilities(self) -> bool:
        """Whether it says how sure it is."""
        return self.classes is not None and hasattr(self.estimator, "predict_proba")

    def predict(self, data: Any, probabilities: bool = False) -> Answers:
        """Answers for an array (rows, features) or a frame: (rows,) or (rows, outputs), and (rows,
        classes)."""
        if self.estimator is None:
            return plain(self.pyfunc.predict(data)), None
        answers = np.asarray(unmasked(in_order(self.estimator.predict(data))))
        return answers, self.likely(data) if probabilities and self.has_probabilities else None

    def likely(self, data: Any) -> NDArray[np.float64]:
        """The probabilities, one for each class. Raises `UnusableAnswer`."""
        likely: NDArray[np.float64] = np.asarray(in_order(self.estimator.predict_proba(data)))
        classes = len(self.estimator.classes_)
        if likely.ndim == 2 and likely.shape[1] != classes:
            raise UnusableAnswer(
                f"the model knows {classes} classes and gave {likely.shape[1]} probabilities for a row; "
                "give one for each class"
            )
        return likely


def plain(answers: Any) -> NDArray[Any]:
    """What a pyfunc gives (array, list, series, frame or dict of columns) as an array of one entry a row.

    What is no such thing becomes an array without dimensions, which has no entry for any row.
    """
    if isinstance(answers, Mapping) and columns_of_one_length(answers):
        import pandas as pd  # noqa: PLC0415 - heavy

        answers = pd.DataFrame({name: list(in_order(column)) for name, column in answers.items()})
    if isinstance(answers, Mapping | set | frozenset):
        return boxed(answers)
    if isinstance(answers, list | tuple):
        return entries(answers)
    array = np.asarray(unmasked(in_order(answers)))
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def entries(answers: Sequence[Any]) -> NDArray[Any]:
    """A list of answers as an array that keeps what each is.

    numpy makes one text of a text and a number, and refuses lists of different lengths.
    """
    try:
        array = np.asarray(answers)
    except ValueError:
        array = np.empty(len(answers), dtype=object)
        for at, answer in enumerate(answers):
            array[at] = answer
    return np.array(answers, dtype=object) if array.dtype.kind in "US" else array


def columns_of_one_length(answers: Mapping[Any, Any]) -> bool:
    """Whether a dict is a table, as MLflow's own server reads it."""
    columns = list(answers.values())
    if not columns or not all(isinstance(each, list | tuple) or np.ndim(each) == 1 for each in columns):
        return False
    return len({len(each) for each in columns}) == 1


def boxed(value: Any) -> NDArray[Any]:
    """One object as an array without dimensions."""
    array = np.empty((), dtype=object)
    array[()] = value
    return array


def load(folder: Path) -> Loaded:
    """Loads a model folder: the estimator itself where there is one, MLflow's pyfunc otherwise.

    Raises `StartFailed` with the loader's own words.
    """
    import mlflow  # noqa: PLC0415 - only a process that loads pays for it
    from mlflow.models import Model  # noqa: PLC0415

    # An array is given to an estimator that was fitted with names only where both ways were seen to agree.
    warnings.filterwarnings("ignore", message="X does not have valid feature names")
    try:
        flavours = Model.load(str(folder)).flavors
        if "sklearn" in flavours:
            import mlflow.sklearn  # noqa: PLC0415

            return Loaded("sklearn", mlflow.sklearn.load_model(str(folder)), None)
        if "python_function" in flavours:
            import mlflow.pyfunc  # noqa: PLC0415

            model = mlflow.pyfunc.load_model(str(folder))
            return estimator_of(model, flavours) or Loaded("pyfunc", None, model)
    except ImportError as error:
        raise StartFailed(ExitCode.REQUIREMENTS_MISSING, requirements_sentence(folder, error)) from error
    except Exception as error:
        raise StartFailed(ExitCode.LOAD_FAILED, f"{type(error).__name__}: {error}") from error
    raise StartFailed(
        ExitCode.LOAD_FAILED,
        f"the model has the flavours {sorted(flavours)}; served are sklearn and python_function",
    )


def estimator_of(model: Any, flavours: Mapping[str, Any]) -> Loaded | None:
    """The estimator within a pyfunc, for flavours whose pyfunc only hands on to it; else None.

    Asked directly it knows its classes and probabilities, and takes arrays, which costs less than frames.
    """
    from sklearn.base import BaseEstimator  # noqa: PLC0415 - heavy

    names = [name for name in BOOSTERS if name in flavours]
    if not names:
        return None
    inner = model.get_raw_model()
    return Loaded(names[0], inner, None) if isinstance(inner, BaseEstimator) else None


def requirements_sentence(folder: Path, error: ImportError) -> str:
    """What the model needs that is not here, and the recipe for an image that has it."""
    missing = [line for line, state in requirements(folder) if state == "missing"]
    wanted = ", ".join(missing) or (error.name or "a package")
    return (
        f"{error}. The model asks for {wanted}, which this image has not; build one that has: "
        f"`FROM <this image>` / `RUN pip install {' '.join(missing) or error.name or '...'}`, and name it in "
        "spec.inference.image"
    )


def requirements(folder: Path) -> list[tuple[str, str]]:
    """The model's requirements.txt, line by line: `met`, `missing`, or the version that is installed
    instead."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415

    file = folder / "requirements.txt"
    states = []
    for line in file.read_text().splitlines() if file.is_file() else []:
        try:
            wanted = Requirement(line.split("#")[0].strip())
            # MLflow's skinny package is what loads here; it carries the same version.
            here = version("mlflow-skinny" if wanted.name == "mlflow" else wanted.name)
        except InvalidRequirement:
            continue
        except PackageNotFoundError:
            states.append((line, "missing"))
            continue
        met = wanted.specifier.contains(here, prereleases=True)
        states.append((line, "met" if met else here))
    return states
