"""A class that is text has one number in the log, whatever version predicts it."""

import asyncio
from pathlib import Path

import asyncpg
import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import driftlead_drift
from driftlead_formats.classes import TAG, from_tag
from driftlead_log.migrate import apply
from neighbours.inference import inference_server

NAME = "Punctuality"
FRAME = pd.DataFrame({"delay": np.linspace(-1, 1, 60), "seats": np.linspace(1, 2, 60)})
DELAY = FRAME["delay"]


def logged_version(classes: np.ndarray) -> str:
    """Trains on the frame and registers."""
    model = LogisticRegression(C=1000, max_iter=1000).fit(FRAME, classes)
    return driftlead_drift.log_model(model, FRAME, registered_model=NAME).version


async def rows(dsn: str) -> list[tuple[float, str]]:
    """Number and text of what was logged, in order."""
    connection = await asyncpg.connect(dsn)
    found = await connection.fetch("SELECT prediction, prediction_label FROM inference_logs ORDER BY seq")
    await connection.close()
    return [tuple(row) for row in found]


def test_a_later_version_keeps_the_numbers_of_an_earlier_one(
    mlflow_uri: str, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(apply(database))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_uri)
    mlflow.set_tracking_uri(mlflow_uri)
    logged_version(np.where(DELAY > 0, "late", "on time"))
    second = logged_version(np.select([DELAY > 0.5, DELAY > 0], ["cancelled", "late"], "on time"))
    tags = mlflow.MlflowClient().get_registered_model(NAME).tags
    assert from_tag(tags[TAG]) == ("late", "on time", "cancelled")
    with inference_server(
        f"models:/{NAME}/{second}", tmp_path, MLFLOW_TRACKING_URI=mlflow_uri,
        DRIFTLEAD_LOG_MODE="durable", DRIFTLEAD_POSTGRES_DSN=database,
    ) as server:  # fmt: skip
        said = server.predict([[0.95, 1.97], [-0.9, 1.05]])["predictions"]
    assert said == ["cancelled", "on time"]
    assert asyncio.run(rows(database)) == [(2.0, "cancelled"), (1.0, "on time")]
