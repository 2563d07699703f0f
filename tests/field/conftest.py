"""Inputs that people's clients really send, by class of fault. What is right is always said by the fitted
estimator in this process, never by the server's own code."""

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from neighbours.preloaded import preloaded_python


@pytest.fixture(scope="session")
def python() -> Iterator[Path]:
    """An interpreter that starts in a moment; see `neighbours.preloaded`."""
    with preloaded_python() as path:
        yield path


@pytest.fixture(autouse=True, scope="session")
def quiet() -> Iterator[None]:
    """MLflow warns of cloudpickle and of integers at each of some hundred models."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
