"""BentoML around a scikit-learn model: one request a call, or its adaptive batching. Setting: MODEL."""

import os

import bentoml
import joblib
import numpy as np


@bentoml.service(workers=1)
class Single:
    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL"])

    @bentoml.api
    async def predict(self, features: list[float]) -> dict[str, float]:  # async: no hop to a thread
        return {"prediction": float(self.model.predict(np.array([features]))[0])}


@bentoml.service(workers=1)
class Batching:
    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL"])

    @bentoml.api(batchable=True, max_batch_size=128, max_latency_ms=1000)
    def predict(self, features: np.ndarray) -> np.ndarray:
        return self.model.predict(features)
