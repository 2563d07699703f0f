"""Logged traffic from Postgres as counts in a baseline's bins, with memory that does not grow with the
traffic.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import numpy as np
import orjson
from numpy.typing import NDArray

from driftlead_data.baseline import Baseline
from driftlead_drift.errors import CannotJudgeError

BATCH_BYTES = 4 << 20
ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
SLACK = timedelta(hours=1)
"""How far a pod's clock may be ahead of the database's: `logged_at`, by which partitions are cut, is the
latter's.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Whose rows are meant. Empty cluster, namespace, resource: rows of any."""

    model_name: str
    model_version: str
    deployment: str
    cluster: str = ""
    namespace: str = ""
    resource: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of traffic, start included, end excluded, and what is known of it before it is read.

    `rows`: in the log. `first`, `last`: acceptance time of the first and last of them, None without rows.
    `cut`: another version served until then, so the window begins there.
    `pending_since`: acceptance time up to which the slowest live pod has delivered, None where none lags.
    """

    start: datetime
    end: datetime
    rows: int = 0
    first: datetime | None = None
    last: datetime | None = None
    cut: bool = False
    pending_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """A window in the baseline's bins.

    `features`: one int64 count vector per feature; `prediction`: the same for the model's answers, None where
    the baseline has none. `rows`: counted; `scanned`: rows that the window has; `every`: each k-th row was
    taken.
    `path`: how they were read: json, packed or histograms.
    """

    features: Sequence[NDArray[np.int64]]
    prediction: NDArray[np.int64] | None
    rows: int
    scanned: int
    every: int = 1
    path: str = "json"


class Counter:
    """Adds up batches of rows."""

    def __init__(self, baseline: Baseline) -> None:
        self.baseline = baseline
        self.features = [np.zeros(f.bin_count, dtype=np.int64) for f in baseline.features]
        outputs = baseline.prediction
        self.prediction = None if outputs is None else np.zeros(outputs.bin_count, dtype=np.int64)
        self.rows = 0

    def add(self, matrix: NDArray[np.float32], predictions: NDArray[Any] | Sequence[object]) -> None:
        """Counts rows of coded features, shape (n, features), and their predictions, shape (n,)."""
        counted = self.baseline.count(matrix)
        self.features = [total + part for total, part in zip(self.features, counted, strict=True)]
        answers = self.baseline.count_prediction(predictions)
        if self.prediction is not None and answers is not None:
            self.prediction = self.prediction + answers
        self.rows += len(matrix)

    def counts(self, *, scanned: int, every: int, path: str) -> Counts:
        """What was added so far."""
        return Counts(
            features=self.features,
            prediction=self.prediction,
            rows=self.rows,
            scanned=scanned,
            every=every,
            path=path,
        )


def condition(traffic: Traffic, table: str = "") -> str:
    """The rows of a Traffic as SQL; COPY takes no parameters, so the values are quoted here.

    `table`: what stands before each column (`l.`).
    """
    parts = {
        "model_name": traffic.model_name,
        "model_version": traffic.model_version,
        **deployment_columns(traffic),
    }
    return " AND ".join(f"{table}{name} = {literal(value)}" for name, value in parts.items())


def deployment_columns(traffic: Traffic) -> dict[str, str]:
    """The columns that tell whose traffic a row is, of whatever model."""
    where = {"cluster": traffic.cluster, "namespace": traffic.namespace, "resource": traffic.resource}
    return {"deployment": traffic.deployment, **{name: value for name, value in where.items() if value}}


def literal(value: str) -> str:
    """A text as an SQL literal, whatever it holds. Raises CannotJudgeError for a NUL, which Postgres has no
    text for.
    """
    if "\0" in value:
        raise CannotJudgeError(f"{value!r} holds a NUL byte, which no name in the log can have")
    return "E'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


async def serving_version(connection: asyncpg.Connection, traffic: Traffic) -> str | None:
    """The version that answered last, None when nothing was logged."""
    where = " AND ".join(
        f"{name} = {literal(value)}"
        for name, value in {"model_name": traffic.model_name, **deployment_columns(traffic)}.items()
    )
    found: str | None = await connection.fetchval(
        f"SELECT model_version FROM inference_logs WHERE {where} ORDER BY ts DESC NULLS LAST LIMIT 1"  # noqa: S608
    )
    return found


async def find_window(connection: asyncpg.Connection, traffic: Traffic, length: timedelta) -> Window:
    """The last `length` of traffic up to the database's present; it begins anew where the version changed."""
    now: datetime = await connection.fetchval("SELECT now()")
    start = now - length
    ours, since = condition(traffic), f"ts >= $1 AND ts < $2 AND logged_at >= $1 - interval '{SLACK}'"
    others = " AND ".join(f"{name} = {literal(value)}" for name, value in deployment_columns(traffic).items())
    changed: datetime | None = await connection.fetchval(
        f"SELECT max(ts) FROM inference_logs WHERE {others} AND {since} "  # noqa: S608
        f"AND NOT (model_name = {literal(traffic.model_name)} "
        f"AND model_version = {literal(traffic.model_version)}) "
        f"AND ts <= (SELECT max(ts) FROM inference_logs WHERE {ours} AND {since})",
        start,
        now,
    )
    cut = changed is not None
    if changed is not None:
        start = changed + timedelta(microseconds=1)
    row = await connection.fetchrow(
        f"SELECT count(*), min(ts), max(ts) FROM inference_logs WHERE {ours} AND {since}",  # noqa: S608
        start,
        now,
    )
    rows, first, last = row if row is not None else (0, None, None)
    window = Window(start=start, end=now, rows=rows, first=first, last=last, cut=cut)
    return replace(window, pending_since=await watermark(connection, traffic))


async def watermark(connection: asyncpg.Connection, traffic: Traffic) -> datetime | None:
    """The acceptance time up to which the slowest live pod has delivered; None where no pod lags.

    A spool that moved in the last ten minutes but whose last row is older than its last move by more than a
    minute is behind.
    """
    where = {"cluster": traffic.cluster, "namespace": traffic.namespace, "resource": traffic.resource}
    named = " AND ".join(f"{name} = {literal(value)}" for name, value in where.items() if value) or "TRUE"
    slowest: datetime | None = await connection.fetchval(
        f"SELECT min(last_ts) FROM log_spools WHERE {named} AND updated_at > now() - interval '10 minutes' "  # noqa: S608
        "AND last_ts < updated_at - interval '1 minute'"
    )
    return slowest


async def count_json(
    connection: asyncpg.Connection, traffic: Traffic, window: Window, baseline: Baseline, *, every: int = 1
) -> Counts:
    """Counts the column `features` by COPY, in batches of 4 MB. Raises CannotJudgeError for rows of another
    width.
    """
    counter = Counter(baseline)
    pending = bytearray()

    async def take(data: bytes) -> None:
        pending.extend(data)
        if len(pending) >= BATCH_BYTES:
            end = pending.rindex(b"\n") + 1
            count_lines(bytes(pending[:end]), counter)
            del pending[:end]

    await connection.copy_from_query(
        f"SELECT CASE WHEN prediction NOT IN ('NaN', 'Infinity', '-Infinity') THEN prediction END, "  # noqa: S608
        f"prediction_label, features FROM inference_logs WHERE {in_window(traffic, window, every)}",
        output=take,
        format="text",
        delimiter=",",
        null="null",
    )
    count_lines(bytes(pending), counter)
    return counter.counts(scanned=window.rows, every=every, path="json")


def in_window(traffic: Traffic, window: Window, every: int) -> str:
    """The rows of a window as SQL, each `every`-th of them."""
    sampled = f" AND id % {every} = 0" if every > 1 else ""
    return in_stretch(traffic, window.start, window.end) + sampled


def in_stretch(traffic: Traffic, start: datetime, end: datetime) -> str:
    """The rows from `start` to before `end` as SQL; partitions of earlier days are not touched."""
    since, until = literal(start.isoformat()), literal(end.isoformat())
    return (
        f"{condition(traffic)} AND ts >= {since} AND ts < {until} "
        f"AND logged_at >= {since}::timestamptz - interval '{SLACK}'"
    )


def count_lines(lines: bytes, counter: Counter) -> None:
    """Counts lines of COPY text `prediction,label,features`, in which the comma within a value is escaped."""
    text = lines.rstrip(b"\n")
    if not text:
        return
    # Numbers, the usual case, become one JSON document for a whole batch; text is taken apart line by line.
    numbers = b'"' not in text and b"\\\\" not in text
    if numbers and text.count(b",null,[") == text.count(b"\n") + 1:
        rows = orjson.loads(b"[[" + text.replace(b"\\,", b",").replace(b"\n", b"],[") + b"]]")
        matrix = numbers_of([row[2] for row in rows], counter.baseline)
        counter.add(matrix, np.array([row[0] for row in rows], dtype=np.float64))
        return
    parsed = [_row(line) for line in text.split(b"\n")]
    matrix = values_of([_in_order(features, counter.baseline) for _, _, features in parsed], counter.baseline)
    counter.add(matrix, _objects([number if label is None else label for number, label, _ in parsed]))


def _row(line: bytes) -> tuple[float | None, str | None, Any]:
    prediction, label, features = re.split(rb"(?<!\\),", line, maxsplit=2)
    unescape = ESCAPED.sub(_unescaped, label).decode("utf-8", "replace")
    return (
        orjson.loads(prediction),
        None if label == b"null" else unescape,
        orjson.loads(ESCAPED.sub(_unescaped, features)),
    )


def _unescaped(match: re.Match[bytes]) -> bytes:
    return {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"f": b"\f", b"v": b"\v"}.get(
        match[1], match[1]
    )


def _in_order(features: Any, baseline: Baseline) -> list[Any]:
    if isinstance(features, dict):
        features = [features.get(name) for name in baseline.names]
    if not isinstance(features, list) or len(features) != len(baseline.features):
        seen = f"{len(features)} values" if isinstance(features, list) else type(features).__name__
        raise CannotJudgeError(
            f"a logged row holds {seen}, the baseline knows {len(baseline.features)} features; "
            "this baseline belongs to another model: name the right one, or the right version"
        )
    return features


def numbers_of(rows: Sequence[Sequence[Any]], baseline: Baseline) -> NDArray[np.float32]:
    """Rows of numbers and nulls as float32, shape (n, features). Raises CannotJudgeError for rows of another
    width.
    """
    if any(feature.kind == "categorical" for feature in baseline.features):
        return values_of([_in_order(row, baseline) for row in rows], baseline)
    try:
        matrix = np.array(rows, dtype=np.float64)
    except (TypeError, ValueError):  # widths differ, or a value is itself a list
        return values_of([_in_order(row, baseline) for row in rows], baseline)
    if matrix.ndim != 2 or matrix.shape[1] != len(baseline.features):
        _in_order(rows[0], baseline)
    with np.errstate(over="ignore"):
        return matrix.astype(np.float32)


def values_of(rows: Sequence[Sequence[Any]], baseline: Baseline) -> NDArray[np.float32]:
    """Rows of any JSON values as float32: text as its category's code, a wrong type as NaN; shape (n,
    features).
    """
    columns = zip(baseline.features, zip(*rows, strict=True), strict=True)
    return np.column_stack([feature.codes(_objects(column)) for feature, column in columns])


def _objects(column: Sequence[Any]) -> NDArray[Any]:
    array = np.empty(len(column), dtype=object)
    array[:] = column
    return array


async def count(
    connection: asyncpg.Connection, traffic: Traffic, window: Window, baseline: Baseline, *, every: int = 1
) -> Counts:
    """Counts a window by the cheapest way that its rows allow."""
    return await count_json(connection, traffic, window, baseline, every=every)
