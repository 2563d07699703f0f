"""Times have one unit and no zone, each value is read by itself, an offset is converted to UTC.

`datetime64[ns]` is what MLflow's own column type `datetime` means, whatever the training frame had; where
`driftlead_drift.log_model` wrote the version, the training's unit is known.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from asking import (
    PROTOCOLS,
    Client,
    Refusal,
    answers_of,
    at_once,
    equal,
    kept,
    rows_of,
    served,
    wrong_protocols,
)

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the server cannot import this file
HOURS = pd.to_datetime("2024-01-01") + pd.to_timedelta(np.arange(60), unit="h")


def epoch(table: pd.DataFrame) -> pd.DataFrame:
    return table[["ts"]].astype("int64")


def hour(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"h": table["ts"].dt.hour, "d": table["ts"].dt.dayofweek})


def minutes_between(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"m": (table["until"] - table["ts"]).dt.total_seconds() / 60})


def by_epoch() -> tuple[Any, pd.DataFrame]:
    """Sees the unit: the count since 1970."""
    table = pd.DataFrame({"ts": HOURS.astype("datetime64[ns]")})
    return make_pipeline(FunctionTransformer(epoch), StandardScaler(), LinearRegression()).fit(
        table, np.arange(60.0)
    ), table


def by_hour() -> tuple[Any, pd.DataFrame]:
    """Sees the zone: the hour of the day."""
    table = pd.DataFrame({"ts": HOURS.astype("datetime64[ns]")})
    model = make_pipeline(FunctionTransformer(hour), SimpleImputer(), LinearRegression())
    return model.fit(table, HOURS.hour.to_numpy(float)), table


def by_two() -> tuple[Any, pd.DataFrame]:
    """Sees whether two columns have the same unit and zone."""
    until = HOURS + pd.to_timedelta(np.arange(60) * 7, unit="min")
    table = pd.DataFrame({"ts": HOURS.astype("datetime64[ns]"), "until": until.astype("datetime64[ns]")})
    return make_pipeline(FunctionTransformer(minutes_between), LinearRegression()).fit(
        table, np.arange(60.0) * 7
    ), table


MODELS: dict[str, Callable[[], tuple[Any, pd.DataFrame]]] = {
    "epoch": by_epoch,
    "hour": by_hour,
    "two": by_two,
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("times")


@pytest.fixture(scope="module", params=MODELS)
def asked(
    request: pytest.FixtureRequest, folders: Path, python: Path
) -> Iterator[tuple[Any, pd.DataFrame, Client]]:
    model, table = MODELS[request.param]()
    with served(kept(folders / request.param, model, table), python, list(table)) as client:
        yield model, table, client


def frame(table: pd.DataFrame, *texts: str | None) -> pd.DataFrame:
    """What these texts mean: one instant each, in UTC, without a zone."""
    times = [pd.Timestamp(text) if text else pd.NaT for text in texts]
    plain = [t.tz_convert("UTC").tz_localize(None) if t is not pd.NaT and t.tzinfo else t for t in times]
    column = pd.Series(plain, dtype="datetime64[ns]")
    return pd.DataFrame({name: column + pd.Timedelta(hours=at) for at, name in enumerate(table)})


def as_sent(table: pd.DataFrame, *texts: str | None) -> list[list[Any]]:
    """The first column as the text came, a further one an hour later in the usual form."""
    later = rows_of(frame(table, *texts))
    return [[text, *row[1:]] for text, row in zip(texts, later, strict=True)]


FORMS = {
    "seconds": "2024-01-01T05:00:00",
    "a space": "2024-01-01 05:00:00",
    "tenths": "2024-01-01T05:00:00.5",
    "microseconds": "2024-01-01T05:00:00.500001",
    "nanoseconds": "2024-01-01T05:00:00.500000000",
    "minutes": "2024-01-01T05:00",
    "a date": "2024-01-02",
    "Zulu": "2024-01-01T05:00:00Z",
    "an offset": "2024-01-01T07:00:00+02:00",
    "an offset and microseconds": "2024-01-01T00:30:00.250000-05:30",
}


def test_whole_frames_in_every_protocol(asked: tuple[Any, pd.DataFrame, Client]) -> None:
    model, table, client = asked
    some = table.iloc[[0, 5, 29, 59]]
    assert wrong_protocols(client, rows_of(some), answers_of(model, some)) == {}


@pytest.mark.parametrize("form", FORMS)
def test_each_way_to_write_a_time(asked: tuple[Any, pd.DataFrame, Client], form: str) -> None:
    # pandas 3 takes its unit from the digits of the text: pandas#59132
    model, table, client = asked
    text = FORMS[form]
    wanted = answers_of(model, frame(table, text))
    assert wrong_protocols(client, as_sent(table, text), wanted) == {}


def test_two_ways_to_write_a_time_in_one_request(asked: tuple[Any, pd.DataFrame, Client]) -> None:
    # mixed formats in one column: pandas#52167
    model, table, client = asked
    texts = list(FORMS.values())
    wanted = answers_of(model, frame(table, *texts))
    assert wrong_protocols(client, as_sent(table, *texts), wanted) == {}


@pytest.mark.parametrize("form", ["nanoseconds", "a date", "an offset"])
def test_another_clients_way_to_write_a_time_changes_nothing(
    asked: tuple[Any, pd.DataFrame, Client], form: str
) -> None:
    model, table, client = asked
    (mine,), (other,) = as_sent(table, FORMS["seconds"]), as_sent(table, FORMS[form])
    wanted = answers_of(model, frame(table, FORMS["seconds"]))
    for _ in range(5):
        assert equal(at_once(client.server, other, mine, other)[1:2], wanted)


def in_berlin(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"h": table["ts"].dt.tz_convert("Europe/Berlin").dt.hour})


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_times_that_had_a_zone_have_one(zone: str, python: Path, tmp_path: Path) -> None:
    """Without a zone tz_convert raises; which one it was stands nowhere, so another than UTC is said."""
    table = pd.DataFrame({"ts": HOURS.astype("datetime64[ns]").tz_localize("UTC").tz_convert(zone)})
    model = make_pipeline(FunctionTransformer(in_berlin), LinearRegression()).fit(table, np.arange(60.0))
    with served(kept(tmp_path / "m", model, table), python, ["ts"]) as client:
        some = table.iloc[[0, 5, 23, 59]]
        assert wrong_protocols(client, rows_of(some), answers_of(model, some)) == {}
        plain = [
            [text.removesuffix("+00:00")]
            for (text,) in rows_of(some.assign(ts=some["ts"].dt.tz_convert("UTC")))
        ]
        assert equal(PROTOCOLS["predict"](client, plain), answers_of(model, some))
        warnings = client.server.ask("/health")[1]["warnings"]
        assert ("offset" in str(warnings)) == (zone != "UTC"), warnings


def test_no_time_is_no_time(asked: tuple[Any, pd.DataFrame, Client]) -> None:
    """A null is answered as the model answers NaT, or refused by name; its neighbours are answered."""
    model, table, client = asked
    texts = [FORMS["seconds"], None, FORMS["a date"]]
    try:
        wanted: Any = answers_of(model, frame(table, *texts))
    except ValueError:
        wanted = None
    if wanted is None or any(value is None for value in wanted):
        with pytest.raises(Refusal) as refused:
            PROTOCOLS["predict"](client, as_sent(table, *texts))
        assert refused.value.status == 422
        assert "ts" in str(refused.value)
    else:
        assert wrong_protocols(client, as_sent(table, *texts), wanted) == {}


@pytest.mark.parametrize(
    "text", ["2024-13-01", "yesterday", "12/31/2024", "", "2024-01-01T25:00:00", "1700000000"]
)
def test_what_is_no_time_is_refused_by_name(asked: tuple[Any, pd.DataFrame, Client], text: str) -> None:
    _, table, client = asked
    (row,) = as_sent(table, FORMS["seconds"])
    for name in ("predict", "predict-by-name", "v1", "split", "records"):
        with pytest.raises(Refusal) as refused:
            PROTOCOLS[name](client, [[text, *row[1:]]])
        assert refused.value.status == 422
        assert refused.value.said["field"] == "ts"


@pytest.mark.parametrize("year", ["0001-01-01", "1677-01-01", "2263-01-01", "9999-12-31"])
def test_a_time_that_nanoseconds_cannot_hold_is_refused_by_name(
    asked: tuple[Any, pd.DataFrame, Client], year: str
) -> None:
    # the end of datetime64[ns]: pandas#7307
    _, table, client = asked
    (row,) = as_sent(table, FORMS["seconds"])
    with pytest.raises(Refusal) as refused:
        PROTOCOLS["predict"](client, [[year, *row[1:]]])
    assert refused.value.status == 422
    assert refused.value.said["field"] == "ts"


def test_that_the_unit_of_times_changes_answers_is_said(
    asked: tuple[Any, pd.DataFrame, Client], request: pytest.FixtureRequest
) -> None:
    # what pandas 3 reads has microseconds, and no signature says so
    _, _, client = asked
    said = [each for each in client.server.ask("/health")[1]["warnings"] if "the unit of the times" in each]
    sees_the_unit = request.node.callspec.params["asked"] == "epoch"
    assert len(said) == sees_the_unit
    assert all("'ts'" in each and "nanoseconds" in each for each in said)
