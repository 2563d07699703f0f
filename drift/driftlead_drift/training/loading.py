"""How a model is written so that it loads in a process that has nothing but its folder, and a proof that it
does.

skops names the functions and classes inside a model and leaves their code where it is: in the notebook, or
in the module beside the training script, which no server has. cloudpickle can carry code along. Whichever
way is taken, a fresh process loads the model and answers rows of training before anything is registered.
"""

import os
import pickle
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from driftlead_drift.training import loaded_alone

if TYPE_CHECKING:
    import pandas as pd

Arguments = dict[str, Any]  # of mlflow.sklearn.save_model
CLOUDPICKLE: Arguments = {"serialization_format": "cloudpickle"}
ROWS = 100  # that the loaded model must answer as the fitted one


def proven(model: Any, rows: "Rows", signature: Any, trusted: Sequence[str]) -> Arguments:
    """MLflow's arguments for a way to write the model that was seen to load. Call it within `by_value`.

    Raises ValueError when there is none, or when the loaded model answers otherwise.
    """
    said = ""
    for arguments in ways(model, trusted):
        with tempfile.TemporaryDirectory() as folder:
            said = fault(model, rows, signature, arguments, Path(folder))
        if not said:
            return arguments
    raise ValueError(
        f"the model is not registered, for no server could use it: in a process that has only the model's "
        f"folder {said}"
    )


def ways(model: Any, trusted: Sequence[str]) -> Iterator[Arguments]:
    """skops where every type comes from an installed package, and cloudpickle."""
    import skops.io  # noqa: PLC0415 - heavy

    try:
        types = skops.io.get_untrusted_types(data=skops.io.dumps(model))
    except Exception:
        types = None  # it cannot be written so
    if types is not None and all(installed(module_of(name)) for name in types):
        yield {"serialization_format": "skops", "skops_trusted_types": sorted({*trusted, *types}) or None}
    yield CLOUDPICKLE


class Rows:
    """Rows of training spread over all of them: as they were, as the signature says, and their answers."""

    def __init__(self, model: Any, X: "pd.DataFrame", declared: "pd.DataFrame") -> None:  # noqa: N803
        places = np.unique(np.linspace(0, len(X) - 1, min(ROWS, len(X))).astype(int))
        self.trained = X.iloc[places]
        self.declared = declared.iloc[places]
        self.answers = np.asarray(model.predict(self.trained))


def fault(model: Any, rows: Rows, signature: Any, arguments: Arguments, folder: Path) -> str:
    """Writes the model and has a fresh process load and ask it. What goes wrong there; "" for nothing."""
    import mlflow.sklearn  # noqa: PLC0415 - heavy

    try:
        mlflow.sklearn.save_model(
            model, str(folder / loaded_alone.MODEL), signature=signature, pip_requirements=[], **arguments
        )
    except Exception as error:
        return f"it is not there: it cannot be written ({type(error).__name__}: {error})"
    (folder / loaded_alone.ROWS).write_bytes(pickle.dumps(rows.declared))
    ended = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-P", loaded_alone.__file__, str(folder)],
        cwd=folder, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ended.returncode < 0:
        return f"it was ended by signal {-ended.returncode}; is there memory for the model twice?"
    if ended.returncode:
        words = ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"]
        return f"it does not load, or does not answer its own training rows: {words[-1]}"
    answers = pickle.loads((folder / loaded_alone.ANSWERS).read_bytes())  # noqa: S301 - written by our own script
    if equal(answers, rows.answers) or not equal(np.asarray(model.predict(rows.trained)), rows.answers):
        return ""  # a model that answers by chance cannot be compared
    first = next(
        at for at in range(len(answers)) if not equal(answers[at : at + 1], rows.answers[at : at + 1])
    )
    return (
        f"it answers {answers[first]} to {rows.declared.iloc[first].to_dict()}, where it answered "
        f"{rows.answers[first]} in training; does it read what the signature's types do not carry, such as "
        "the unit or zone of a time, or pandas categories? Convert it in the pipeline's first step"
    )


def equal(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether answers are the same, numbers to the last digits."""
    if one.shape != other.shape:
        return False
    if one.dtype.kind in "fc" or other.dtype.kind in "fc":
        return bool(np.allclose(one, other, rtol=1e-6, atol=1e-12, equal_nan=True))
    return bool(np.all(one == other))


@contextmanager
def by_value() -> Iterator[None]:
    """Has cloudpickle carry the code of modules that no package installed, such as one beside the script.

    What stands in `__main__`, a notebook by example, it carries anyway.
    """
    import cloudpickle  # noqa: PLC0415 - comes with MLflow

    known = cloudpickle.list_registry_pickle_by_value()
    places = package_folders()
    modules = [
        module
        for name, module in list(sys.modules.items())
        if isinstance(module, ModuleType) and name == module.__name__ != "__main__" and name not in known
        and not installed(module, places)
    ]  # fmt: skip
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def module_of(name: str) -> ModuleType | None:
    """The module of a dotted name, None where none of this process fits."""
    while name:
        name = name.rpartition(".")[0]
        if name in sys.modules:
            return sys.modules[name]
    return None


def installed(module: ModuleType | None, places: Sequence[str] | None = None) -> bool:
    """Whether a module is of Python itself or of an installed package, as any server may have it."""
    if module is None:
        return False
    top = module.__name__.partition(".")[0]
    if top in ("__main__", "__mp_main__"):  # whatever file started it: a kernel, a test runner
        return False
    if top in sys.stdlib_module_names:
        return True
    package = sys.modules.get(top, module)
    files = [module.__dict__.get("__file__"), package.__dict__.get("__file__")]
    found = [file for file in files if file] or list(package.__dict__.get("__path__", ()))
    folders = package_folders() if places is None else places
    return bool(found) and os.path.realpath(found[0]).startswith(tuple(folders))


def package_folders() -> list[str]:
    """Where packages are installed, each with a slash at its end."""
    here = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return [f"{os.path.realpath(path)}{os.sep}" for path in [*here, *filter(holds_packages, sys.path)]]


def holds_packages(path: str) -> bool:
    """Whether packages were installed into a folder of the path."""
    return bool(path) and any(Path(path).glob("*.dist-info"))


def environment() -> dict[str, str]:
    """The variables of a process that finds installed packages alone."""
    path = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(holds_packages, path))}
