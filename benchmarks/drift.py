"""How fast a window becomes a verdict: by JSON, packed float32 and histograms, beside other libraries.

    .venv/bin/python -m benchmarks.drift [--rows 1000000] [--large 10000000] [--rivals PYTHON]

Each way runs in a process of its own against one private PostgreSQL, so that its peak memory is its own;
database CPU is the server process's. Goals (of its design, G1-G5): JSON 5 s, 100 MB, 2.5 s of
database CPU; packed 0.6 s and flat memory; histograms 0.1 s; a whole check 3 s; counting 1 us a row in the
server.

`--rivals` names a Python that has evidently, popmon and pandas < 3 (`benchmarks/rivals.txt`); they judge the
same rows, already in memory.
"""

import argparse
import asyncio
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import numpy as np

from driftlead_drift.__main__ import main as check
from driftlead_drift.judging.facts import Window, WindowCounts
from driftlead_drift.judging.judge import judge
from driftlead_drift.judging.policy import Policy
from driftlead_drift.traffic.counting import Counter
from driftlead_drift.traffic.reading import copy_json, copy_packed, count_histograms, stretches_of
from driftlead_drift.traffic.windows import in_stretch
from driftlead_formats.baseline import Baseline, build
from driftlead_formats.histograms import CLASSES, LATENCY_BINS, pack
from driftlead_formats.traffic import Traffic
from driftlead_log.migrate import migrate
from neighbours import postgres
from neighbours.logged import copy_rows

FEATURES = 20
CHUNK = 100_000
HOURS = 24
RIVALS = """
import sys, time, json
import numpy as np, pandas as pd
folder, which = sys.argv[1:]
names = [f"x{i}" for i in range(20)]
reference = pd.DataFrame(np.load(f"{folder}/reference.npy"), columns=names)
current = pd.DataFrame(np.load(f"{folder}/window.npy"), columns=names)
before = time.perf_counter()
if which == "evidently":
    from evidently import Dataset, DataDefinition, Report
    from evidently.presets import DataDriftPreset
    before = time.perf_counter()
    Report([DataDriftPreset(method="psi")]).run(Dataset.from_pandas(current), Dataset.from_pandas(reference))
elif which == "popmon":
    import popmon
    before = time.perf_counter()
    hours = pd.to_timedelta(np.arange(len(current)) % 24, unit="h")
    stamped = current.assign(when=pd.Timestamp("2026-01-01") + hours)
    earlier = reference.assign(when=pd.Timestamp("2025-12-31"))
    popmon.df_stability_report(
        stamped, time_axis="when", time_width="1h", reference_type="external", reference=earlier
    )
elif which == "feature-engine":
    from feature_engine.selection import DropHighPSIFeatures
    before = time.perf_counter()
    both = pd.concat([reference.assign(part=0), current.assign(part=1)])
    chosen = DropHighPSIFeatures(split_col="part", cut_off=0.5, threshold="auto", missing_values="ignore")
    chosen.fit(both)
used = int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]) / 1024
print(json.dumps({"seconds": time.perf_counter() - before, "mb": used}))
"""


def rows(seed: int, number: int) -> np.ndarray:
    """Numbers of several shapes, 2 % of them missing: float64 (number, 20)."""
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(number, FEATURES))
    matrix[:, 5:10] = np.exp(matrix[:, 5:10])
    matrix[:, 10:12] = np.round(matrix[:, 10:12] * 2)
    matrix[random.random(matrix.shape) < 0.02] = np.nan
    return matrix.round(6)


async def fill(dsn: str, number: int, baseline: Baseline, start: datetime) -> None:
    """The window in the log with packed features, spread over a day, and its histograms."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("TRUNCATE inference_logs, drift_hist")
    latency = pack(np.zeros((len(CLASSES), LATENCY_BINS), dtype=np.int64))
    for first in range(0, number, CHUNK):
        matrix = rows(first + 1, min(CHUNK, number - first))
        single = matrix.astype("<f4")
        texts = [json.dumps(row).replace("NaN", "null") for row in matrix.tolist()]
        places = np.arange(first, first + len(matrix)) / number * HOURS * 3600
        records = [
            (
                start + timedelta(seconds=float(second)),
                "m",
                "1",
                1.0,
                text,
                float(i % 2),
                "prod",
                packed.tobytes(),
            )
            for i, (second, text, packed) in enumerate(zip(places, texts, single, strict=True))
        ]
        await copy_rows(connection, records, "features_f32")
        for minute in np.unique(places // 60):
            inside = places // 60 == minute
            answers = baseline.count_prediction(np.flatnonzero(inside) % 2 * 1.0)
            await connection.execute(
                "INSERT INTO drift_hist (minute, spool_id, model_name, model_version, deployment, "
                "baseline_sha, rows, "
                "features, prediction, latency) VALUES ($1, $2, 'm', '1', 'prod', $3, $4, $5, $6, $7)",
                start + timedelta(minutes=int(minute)), uuid.uuid4(), baseline.sha256, int(inside.sum()),
                pack(np.concatenate(baseline.count(matrix[inside]))), pack(answers), latency,
            )  # fmt: skip
    await connection.execute("VACUUM ANALYZE inference_logs")
    await connection.close()


async def one_way(way: str, dsn: str, folder: Path, start: datetime) -> dict[str, float]:
    """Reads and judges the window once in this process."""
    baseline = Baseline.from_json((folder / "baseline.json").read_bytes())
    traffic = Traffic(model_name="m", model_version="1", deployment="prod")
    end = start + timedelta(hours=HOURS)
    connection = await asyncpg.connect(dsn, statement_cache_size=0)
    logged = await connection.fetchval("SELECT count(*) FROM inference_logs")
    busy = database_cpu(await connection.fetchval("SELECT pg_backend_pid()"))
    own, before = time.process_time(), time.perf_counter()
    window = Window(start=start, end=end, rows=logged)
    counter = Counter(baseline, stretches_of(window))
    where = in_stretch(traffic, start, end)
    if way == "json":
        await copy_json(connection, where, counter)
    elif way == "packed":
        await copy_packed(connection, where, counter)
    else:
        assert await count_histograms(connection, traffic, window, counter)
    read = time.perf_counter() - before
    counts = WindowCounts(
        features=counter.features,
        prediction=counter.prediction,
        rows=counter.rows,
        stretches=counter.stretches,
    )
    verdict = judge(baseline, counts, Policy(period=None, persistence=1))
    seconds = time.perf_counter() - before
    assert counter.rows == logged, (counter.rows, logged)
    assert verdict.exit_code == 0, verdict.summary
    return {
        "seconds": seconds,
        "judge": seconds - read,
        "cpu": time.process_time() - own,
        "database": database_cpu(await connection.fetchval("SELECT pg_backend_pid()")) - busy,
        "mb": peak_mb(),
    }


def peak_mb() -> float:
    """Most memory of this process; what getrusage says of a child begins with its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def database_cpu(pid: int) -> float:
    """Seconds of CPU that a backend has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def counting(baseline: Baseline) -> float:
    """Microseconds a row for counting batches of 256 as the server's writer does."""
    batch = rows(5, 256).astype(np.float32)
    for _ in range(20):
        baseline.count(batch)
    before = time.perf_counter()
    for _ in range(400):
        baseline.count(batch)
    return (time.perf_counter() - before) / 400 / 256 * 1e6


def repeated(command: list[str], times: int) -> dict[str, float]:
    """The run with the median of seconds, of several in processes of their own."""
    runs = []
    for _ in range(times):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: {done.stderr[-2000:]}")
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return sorted(runs, key=lambda run: run["seconds"])[len(runs) // 2]


def show(name: str, run: dict[str, float]) -> None:
    parts = [f"{name:<34} {run['seconds']:8.3f} s {run['mb']:8.0f} MB"]
    parts += [f"{key} {run[key]:.2f} s" for key in ("cpu", "database") if key in run]
    print("   ".join(parts), flush=True)


def whole_check(dsn: str, folder: Path, start: datetime) -> dict[str, float]:
    """`driftlead-drift check` in this process, report included, on the histograms of a day."""
    window = f"{int((datetime.now(UTC) - start).total_seconds()) + 60}s"
    arguments = ["--model", "models:/m/1", "--postgres-dsn", dsn, "--window", window, "--period", "none"]
    with contextlib.redirect_stdout(io.StringIO()):
        code = check(
            ["check", *arguments, "--baseline", f"{folder}/baseline.json", "--report", f"{folder}/out"]
        )
    # From the start of this process: Python and imports are part of what a Job takes.
    began = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    seconds = time.clock_gettime(time.CLOCK_BOOTTIME) - began / os.sysconf("SC_CLK_TCK")
    path = json.loads((folder / "out/report.json").read_bytes())["window"]["path"]
    assert (code, path) == (0, "histograms")
    return {"seconds": seconds, "mb": peak_mb()}


def main() -> None:
    """Fills, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--large", type=int, default=0, help="rows of a second window, for flat memory")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--rivals", help="a Python with what benchmarks/rivals.txt lists")
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--dsn", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--start", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        start = datetime.fromtimestamp(given.start, UTC)
        whole = given.way == "check"
        print(
            json.dumps(
                whole_check(given.dsn, given.folder, start)
                if whole
                else asyncio.run(one_way(given.way, given.dsn, given.folder, start))
            )
        )
        return
    start = (datetime.now(UTC) - timedelta(hours=HOURS, minutes=2)).replace(second=0, microsecond=0)
    with tempfile.TemporaryDirectory() as name, postgres() as server:
        folder, dsn = Path(name), server.create_database()
        reference = rows(0, 100_000)
        answers = np.arange(100_000) % 2 * 1.0
        baseline = build({f"x{i}": reference[:, i] for i in range(FEATURES)}, prediction=answers)
        (folder / "baseline.json").write_bytes(baseline.to_json())
        migrate(dsn)
        print(f"counting in the server: {counting(baseline):.2f} us a row")
        for number, ways in (
            (given.rows, ("json", "packed", "histograms", "check")),
            (given.large, ("packed", "histograms")),
        ):
            if not number:
                continue
            asyncio.run(fill(dsn, number, baseline, start))
            itself = [sys.executable, "-m", "benchmarks.drift"]
            for way in ways:
                command = [*itself, "--way", way, "--dsn", dsn, "--folder", name]
                run = repeated([*command, "--start", str(start.timestamp())], given.times)
                show(f"{number:,} rows by {way}", run)
        if given.rivals:
            np.save(folder / "reference.npy", reference)
            np.save(folder / "window.npy", rows(1, given.rows))
            for which in ("feature-engine", "popmon", "evidently"):
                show(f"{which}, in memory", repeated([given.rivals, "-c", RIVALS, name, which], 1))


if __name__ == "__main__":
    main()
