"""What most people write: FastAPI, pydantic, scikit-learn, one INSERT for each request. Settings: MODEL,
DSN."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import joblib
from fastapi import FastAPI
from pydantic import BaseModel


class Ask(BaseModel):
    features: list[float]


class Answer(BaseModel):
    prediction: float
    model_name: str
    model_version: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.model = joblib.load(os.environ["MODEL"])
    app.state.pool = await asyncpg.create_pool(os.environ["DSN"])
    yield
    await app.state.pool.close()


app = FastAPI(lifespan=lifespan)
INSERT = (
    "INSERT INTO inference_logs (model_name, model_version, latency_ms, features, prediction, deployment) "
    "VALUES ('Demo', '1', $1, $2::jsonb, $3, 'prod')"
)


@app.post("/predict")
async def predict(ask: Ask) -> Answer:
    started = time.perf_counter()
    prediction = float(app.state.model.predict([ask.features])[0])
    latency = (time.perf_counter() - started) * 1e3
    await app.state.pool.execute(INSERT, latency, str(ask.features), prediction)
    return Answer(prediction=prediction, model_name="Demo", model_version="1")
