"""A version that came without a baseline gets one from its first full window of traffic."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import numpy as np
import orjson
from numpy.typing import NDArray

from driftlead_drift.errors import CannotJudgeError, TooEarlyError
from driftlead_drift.judging.facts import Window
from driftlead_drift.storage.registry import ModelVersion, Registry
from driftlead_drift.traffic.windows import condition, in_stretch
from driftlead_formats.baseline import Baseline, BaselineError, build
from driftlead_formats.traffic import Traffic

MOST_ROWS = 200_000
"""Rows from which the baseline is made at most; of more, each k-th is taken."""
FEWEST_ROWS = 200
INPUTS = re.compile(r"^\s+inputs:\s*'((?:[^']|'')*)'", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FirstWindow:
    """The baseline and the stretch of traffic that it was made of."""

    baseline: Baseline
    window: Window


async def make(
    connection: asyncpg.Connection, traffic: Traffic, length: timedelta, names: Sequence[str]
) -> FirstWindow:
    """Counts the first `length` of the version's traffic. Raises TooEarlyError while that is not over."""
    now: datetime = await connection.fetchval("SELECT now()")
    first: datetime | None = await connection.fetchval(
        f"SELECT min(ts) FROM inference_logs WHERE {condition(traffic)}"  # noqa: S608
    )
    version = f"model {traffic.model_name} version {traffic.model_version}"
    if first is None:
        raise TooEarlyError(
            f"{version} has no baseline and no traffic under deployment {traffic.deployment} yet; "
            "its first full window becomes its baseline"
        )
    full = first + length
    if now < full:
        raise TooEarlyError(
            f"{version} has no baseline; its first full window becomes one, at {full:%Y-%m-%d %H:%M:%S} UTC"
        )
    window = Window(start=first, end=full)
    times, predictions, rows = await _rows(connection, traffic, window)
    if len(rows) < FEWEST_ROWS:
        raise TooEarlyError(
            f"{version} has no baseline, and its first window of {len(rows)} rows is too thin to become one "
            f"({FEWEST_ROWS} are needed); log it with driftlead_drift.log_model, or give --baseline FILE"
        )
    note = (
        f"made of the version's first window of traffic, {first:%Y-%m-%d %H:%M} to {full:%Y-%m-%d %H:%M} UTC"
    )
    try:
        baseline = build(_columns(rows, names), time=times, prediction=predictions, note=note)
    except BaselineError as error:
        raise CannotJudgeError(f"{version}: its first window cannot be a baseline: {error}") from error
    return FirstWindow(baseline, window)


def feature_names(registry: Registry, model: ModelVersion) -> list[str]:
    """The names in the model's signature, empty where it has none or they cannot be read."""
    body = registry.file(model, "MLmodel")
    found = INPUTS.search(body.decode("utf-8", "replace")) if body else None
    if not found:
        return []
    try:
        # YAML folds a long text over lines and doubles its quotes.
        inputs = json.loads(re.sub(r"\n\s*", " ", found[1]).replace("''", "'"))
        return [str(each["name"]) for each in inputs]
    except (ValueError, KeyError, TypeError):
        return []


async def _rows(
    connection: asyncpg.Connection, traffic: Traffic, window: Window
) -> tuple[NDArray[np.float64], NDArray[Any], list[Any]]:
    """Epoch seconds, predictions and features of the window's rows, or of each k-th."""
    where = in_stretch(traffic, window.start, window.end)
    number = await connection.fetchval(f"SELECT count(*) FROM inference_logs WHERE {where}")  # noqa: S608
    every = max(1, -(-number // MOST_ROWS))
    found = await connection.fetch(
        "SELECT extract(epoch FROM ts)::float8, prediction, prediction_label, features FROM inference_logs "  # noqa: S608
        f"WHERE {where} AND id % {every} = 0 ORDER BY ts"
    )
    labels = [prediction if label is None else label for _, prediction, label, _ in found]
    text = any(isinstance(label, str) for label in labels)
    return (
        np.array([row[0] for row in found], dtype=np.float64),
        np.array(labels, dtype=object if text else np.float64),
        [orjson.loads(row[3]) for row in found],
    )


def _columns(rows: Sequence[Any], names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Rows as named columns; without a signature features are named by their place."""
    if all(isinstance(row, dict) for row in rows):
        names = names or list(rows[0])
        rows = [[row.get(name) for name in names] for row in rows]
    width = len(rows[0]) if isinstance(rows[0], list) else 0
    if not width or any(not isinstance(row, list) or len(row) != width for row in rows):
        raise BaselineError("its rows differ in width: they belong to different models")
    names = names if len(names) == width else [f"feature {place + 1}" for place in range(width)]
    columns: dict[str, NDArray[Any]] = {}
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        numbers = all(value is None or type(value) in (int, float) for value in values)
        column = np.empty(len(values), dtype=object)
        column[:] = values
        columns[name] = column.astype(np.float64) if numbers else column
    return columns
