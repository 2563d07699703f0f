"""Labels of POST /feedback beside the rows that they belong to, as a training function reads them."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

import driftlead_drift
from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.settings import Connections
from neighbours.logged import copy_rows

NOON = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
NAMES = ["temp", "weather", "holiday"]


@pytest.fixture
async def settings(dsn: str, connection: asyncpg.Connection) -> AsyncIterator[Connections]:
    """Four requests of three versions and two models; labels of all but one, and one that no row has."""
    values = [[21.5, "rain", True], [None, "sun", False], [19.0, None, None], [1.0, "fog", True]]
    logged = [
        (0, "Bikes", "1", 200.0, "prod", "r0", 0),
        (1, "Bikes", "1", 210.0, "prod", "r0", 1),
        (2, "Bikes", "2", 220.0, "prod", "r1", 0),
        (2, "Bikes", "3", 777.0, "canary", "r1", 0),  # the same request, mirrored
        (3, "Bikes", "2", 230.0, "prod", "r2", 0),  # its label has not come
        (3, "Other", "1", 1.0, "prod", "r3", 0),
    ]
    await copy_rows(
        connection,
        [
            (
                NOON + timedelta(minutes=n),
                model,
                version,
                1.0,
                json.dumps(values[n]),
                said,
                where,
                request,
                row,
            )
            for n, model, version, said, where, request, row in logged
        ],
        "request_id",
        "row",
    )
    labels = [("r0", 0, 190.0), ("r0", 1, 250.0), ("r1", 0, 180.0), ("r3", 0, 5.0), ("gone", 0, 6.0)]
    await connection.executemany(
        'INSERT INTO feedback (request_id, "row", label) VALUES ($1, $2, $3)', labels
    )
    yield Connections(postgres_dsn=dsn)


async def test_rows_come_with_their_labels_in_the_order_of_time_and_once(settings: Connections) -> None:
    # From within a running event loop, as in a notebook.
    found = driftlead_drift.labelled_rows("Bikes", NAMES, since=NOON, settings=settings)
    assert len(found) == 3
    assert found.label.tolist() == [190.0, 250.0, 180.0]
    assert found.prediction.tolist() == [200.0, 210.0, 220.0]
    assert found.model_version.tolist() == ["1", "1", "2"]
    assert found.time.tolist() == [NOON + timedelta(minutes=n) for n in range(3)]
    assert list(found.features.columns) == NAMES
    assert found.features["temp"].dtype == float and found.features["temp"].isna().tolist() == [
        False,
        True,
        False,
    ]
    assert found.features["weather"].tolist()[:2] == ["rain", "sun"]


async def test_a_stretch_of_time_and_a_deployment_can_be_named(settings: Connections) -> None:
    def labels(**more: datetime | str) -> list[float]:
        asked = {"since": NOON, "settings": settings, **more}
        rows = driftlead_drift.labelled_rows("Bikes", NAMES, **asked)  # type: ignore[arg-type]
        return list(rows.label)

    assert labels(since=NOON + timedelta(minutes=1), until=NOON + timedelta(minutes=2)) == [250.0]
    assert labels(deployment="canary") == [180.0]
    assert labels(until=NOON) == []


async def test_classes_are_text(settings: Connections, connection: asyncpg.Connection) -> None:
    await connection.execute("UPDATE inference_logs SET prediction_label = 'late', prediction = 1")
    await connection.execute("UPDATE feedback SET label = NULL, label_text = 'early'")
    found = await asyncio.to_thread(
        driftlead_drift.labelled_rows, "Bikes", NAMES, since=NOON, settings=settings
    )
    assert (set(found.label), set(found.prediction)) == ({"early"}, {"late"})


async def test_what_cannot_be_meant_is_a_sentence(settings: Connections) -> None:
    def refusal(**more: object) -> str:
        asked = {"features": NAMES, "since": NOON, "settings": settings, **more}
        with pytest.raises(CannotJudgeError) as caught:
            driftlead_drift.labelled_rows("Bikes", **asked)  # type: ignore[arg-type]
        return str(caught.value)

    assert "a row of version 1 has 3 features, and 2 are named" in refusal(features=NAMES[:2])
    assert "there are more than 2 labelled rows" in refusal(most=2)
    assert "since has no time zone" in refusal(since=NOON.replace(tzinfo=None))
    assert "there is no database" in refusal(settings=Connections(postgres_dsn=None))
