"""Logged rows whose labels have come, for training: what POST /feedback stored, beside what was asked."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.settings import Connections
from driftlead_drift.traffic.database import connected
from driftlead_drift.traffic.windows import SLACK, deployment_columns, literal

if TYPE_CHECKING:
    import pandas as pd

AT_ONCE = 5_000  # rows that the driver fetches at once
MOST = 2_000_000


@dataclass(frozen=True, kw_only=True)
class LabelledRows:
    """Rows of the prediction log with their labels, in the order of time; all have the same index.

    `features` has the columns that were named, `label` what was true, `prediction` what the model said,
    `time` when the request was accepted (UTC), `model_version` which version answered.
    """

    features: "pd.DataFrame"
    label: "pd.Series[Any]"
    prediction: "pd.Series[Any]"
    time: "pd.Series[Any]"
    model_version: "pd.Series[Any]"

    def __len__(self) -> int:
        return len(self.label)


def labelled_rows(
    registered_model: str,
    features: Sequence[str],
    *,
    since: datetime,
    until: datetime | None = None,
    deployment: str = "prod",
    settings: Connections | None = None,
    most: int = MOST,
) -> LabelledRows:
    """The rows that a model answered from `since` to before `until` and whose labels have come.

    `features` names the columns in the order of the model's signature: the log holds values without names.
    Rows of one `deployment` only, since mirrored requests stand under both with one label. A feature that the
    log redacts is missing. The database is that of the connections, as for every command. Raises
    CannotJudgeError where it cannot be read, where a row has another number of features, and for more than
    `most` rows, because they are held in memory.
    """
    for name, moment in (("since", since), ("until", until)):
        if moment is not None and moment.tzinfo is None:
            raise CannotJudgeError(f"{name} has no time zone: {moment}; write for example {moment}+00:00")
    connections = settings or Connections()
    where = {"model_name": registered_model, **deployment_columns(connections.traffic(deployment))}
    reading = _read(connections, where, (since, until), most)
    # In a thread of its own, because a notebook has an event loop that runs already.
    with ThreadPoolExecutor(max_workers=1) as pool:
        found = pool.submit(asyncio.run, reading).result()
    return _tabular(found, features)


async def _read(
    settings: Connections, where: dict[str, str], stretch: tuple[datetime, datetime | None], most: int
) -> list[tuple[Any, ...]]:
    named = " AND ".join(f"l.{name} = {literal(value)}" for name, value in where.items())
    async with connected(settings, reading=True) as connection:
        rows = connection.cursor(
            "SELECT l.ts, l.model_version, l.features::text, l.prediction, l.prediction_label, f.label, "  # noqa: S608
            "f.label_text FROM feedback f "
            'JOIN inference_logs l ON l.request_id = f.request_id AND l."row" = f."row" '
            f"WHERE {named} AND l.ts >= $1 AND l.ts < coalesce($2, now()) "
            f"AND l.logged_at >= $1 - interval '{SLACK}' ORDER BY l.ts, l.request_id, l.\"row\"",
            *stretch,
            prefetch=AT_ONCE,
        )
        found: list[tuple[Any, ...]] = []
        async for row in rows:
            if len(found) == most:
                raise CannotJudgeError(
                    f"there are more than {most:,} labelled rows since {stretch[0]:%Y-%m-%d %H:%M} UTC; take "
                    "a later `since`, an earlier `until`, or a larger `most` if memory allows"
                )
            found.append((*row[:2], orjson.loads(row[2]), *row[3:]))
        return found


def _tabular(rows: Sequence[tuple[Any, ...]], features: Sequence[str]) -> LabelledRows:
    import pandas as pd  # noqa: PLC0415 - with numpy the slowest import of all, and only training needs it

    for _, version, values, *_ in rows:
        if len(values) != len(features):
            raise CannotJudgeError(
                f"a row of version {version} has {len(values)} features, and {len(features)} are named; name "
                "them in the order of the model's signature, and begin after the version with other ones"
            )
    said = [prediction if text is None else text for *_, prediction, text, _, _ in rows]
    true = [label if text is None else text for *_, label, text in rows]
    return LabelledRows(
        features=pd.DataFrame([values for _, _, values, *_ in rows], columns=list(features)),
        label=pd.Series(true, name="label"),
        prediction=pd.Series(said, name="prediction"),
        time=pd.to_datetime(pd.Series([row[0] for row in rows], name="time"), utc=True),
        model_version=pd.Series([row[1] for row in rows], name="model_version", dtype=object),
    )
