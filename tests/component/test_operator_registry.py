"""What a real MLflow server says of a model when its versions move."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from driftlead_operator.registry.mlflow import Declaration, Registry
from neighbours.operators import mlflow, move, register


def create(uri: str, model: str) -> None:
    mlflow(uri, "model-versions/create", {"name": model, "source": "s3://mlflow/x"})


def delete(uri: str, model: str) -> None:
    mlflow(uri, "model-versions/delete", {"name": model, "version": "1"}, method="DELETE")


def name(uri: str, model: str) -> None:
    mlflow(uri, "registered-models/alias", {"name": model, "alias": "champion", "version": "1"})


MOVES: dict[str, Callable[[str, str], Any]] = {
    "registered": create,
    "moved": lambda uri, model: move(uri, model, "2", "Production"),
    "moved beside others": lambda uri, model: move(uri, model, "1", "Staging", archive=False),
    "moved below a higher one": lambda uri, model: move(uri, model, "1", "Production", archive=False),
    "deleted": delete,
    "named": name,
}


@pytest.mark.parametrize("what", list(MOVES))
async def test_however_a_version_moves_its_model_carries_another_mark(mlflow_uri: str, what: str) -> None:
    model = f"marked-{what.replace(' ', '-')}"
    register(mlflow_uri, model, 3)
    move(mlflow_uri, model, "3", "Production")
    async with Registry(Declaration(name="default", uri=mlflow_uri)) as registry:
        before = await registry.model(model)
        assert before
        await asyncio.sleep(0.002)  # MLflow's times are in milliseconds
        MOVES[what](mlflow_uri, model)
        after = await registry.model(model)
        assert after
        assert after.fingerprint != before.fingerprint
