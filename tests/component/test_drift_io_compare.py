"""`driftlead-drift compare`, and its judge, against a real Postgres."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
import pytest

from driftlead_drift.__main__ import main
from driftlead_formats.baseline import build
from driftlead_formats.histograms import (
    CLASSES,
    LATENCY_BINS,
    latency_counts,
    pack,
)
from driftlead_log.migrate import migrate
from hack.ports import free_port
from neighbours.logged import copy_rows

MINUTES = 40


@pytest.fixture(scope="module")
def environment(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("compare")
    random = np.random.default_rng(0)
    baseline = build({"x": random.normal(size=3000)}, prediction=random.integers(0, 2, 3000).astype(float))
    (folder / "baseline.json").write_bytes(baseline.to_json())
    before = dict(os.environ)
    os.environ.update(
        DRIFTLEAD_POSTGRES_DSN=database,
        DRIFTLEAD_BASELINE=f"{folder}/baseline.json",
        DRIFTLEAD_RESOURCE="demo",
    )
    migrate(database)
    try:
        yield folder
    finally:
        os.environ.clear()
        os.environ.update(before)


async def traffic(
    deployment: str,
    *,
    each: int,
    errors: float = 0.0,
    slow: float = 0.002,
    ones: float = 0.5,
    carries: int = 1,
    seed: int = 0,
) -> None:
    """Histograms and rows of both tables for the last minutes, `each` requests a minute of `carries` rows."""
    random = np.random.default_rng(seed)
    connection = await asyncpg.connect(os.environ["DRIFTLEAD_POSTGRES_DSN"])
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    version = "2" if "canary" in deployment else "1"
    for ago in range(MINUTES, 0, -1):
        minute = now - timedelta(minutes=ago)
        failed = int(random.binomial(each, errors))
        latency = np.zeros((len(CLASSES), LATENCY_BINS), dtype=np.int64)
        latency[0] = latency_counts(np.where(random.random(each - failed) < slow, 80.0, 2.0))
        await connection.execute(
            "INSERT INTO drift_hist (minute, spool_id, model_name, model_version, deployment, resource, "
            "rows, requests, failed_5xx, features, prediction, latency) "
            "VALUES ($1, $2, 'demo', $3, $4, 'demo', $5, $6, $7, $8, $8, $9)",
            minute, uuid.uuid4(), version, deployment, carries * (each - failed), each - failed, failed,
            pack(np.zeros(0)), pack(latency),
        )  # fmt: skip
        rows = [
            (minute + timedelta(seconds=i * 59 / each), "demo", version, 2.0, "[0.5]",
             float(random.random() < ones), deployment, "demo", f"{deployment}-{ago}-{i}", place)
            for i in range(each - failed)
            for place in range(carries)
        ]  # fmt: skip
        await copy_rows(connection, rows, "resource", "request_id", "row")
    await connection.close()


def compare(prod: str, canary: str, *more: str) -> int:
    return main(["compare", "--prod", prod, "--canary", canary, *more])


def document(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "out/compare.json").read_bytes())
    return found


@pytest.fixture(scope="module")
def prod(environment: Path) -> str:
    asyncio.run(traffic("prod", each=250, errors=0.01))
    return "prod"


def test_a_canary_with_more_errors_is_worse_and_exits_2(environment: Path, prod: str) -> None:
    asyncio.run(traffic("canary-failing", each=100, errors=0.10, seed=1))
    assert compare(prod, "canary-failing", "--report", f"{environment}/out") == 2
    found = document(environment)
    assert found["verdict"]["status"] == "worse"
    assert {check["name"]: check["verdict"] for check in found["checks"]}["errors"] == "worse"
    html = (environment / "out/compare.html").read_text()
    assert "The canary is worse" in html
    assert len(html) < 60_000


def test_a_slow_canary_is_worse(environment: Path, prod: str) -> None:
    asyncio.run(traffic("canary-slow", each=100, errors=0.01, slow=0.2, seed=2))
    assert compare(prod, "canary-slow", "--report", f"{environment}/out") == 2
    checks = {check["name"]: check["verdict"] for check in document(environment)["checks"]}
    assert checks["latency"] == "worse"
    assert checks["errors"] != "worse"


def test_an_equal_canary_is_never_worse_and_its_predictions_are_the_same(
    environment: Path, prod: str
) -> None:
    asyncio.run(traffic("canary-equal", each=100, errors=0.01, seed=3))
    assert compare(prod, "canary-equal", "--report", f"{environment}/out") == 0
    found = document(environment)
    assert found["verdict"]["status"] in ("undecided", "non-inferior")
    assert found["canary"]["predictions"] == found["canary"]["requests"] - found["canary"]["errors"]
    assert found["predictions"]["verdict"] in ("same", "undecided")


def test_failures_of_requests_with_many_rows_are_counted_as_requests(environment: Path) -> None:
    # By rows 1 % of the canary's would have failed, as of prod's.
    asyncio.run(traffic("prod-batches", each=20, errors=0.01, carries=50, seed=11))
    asyncio.run(traffic("canary-batches", each=10, errors=0.30, carries=50, seed=12))
    assert compare("prod-batches", "canary-batches", "--report", f"{environment}/out") == 2
    found = document(environment)
    errors = next(check for check in found["checks"] if check["name"] == "errors")
    assert (errors["verdict"], errors["canary_requests"]) == ("worse", 10 * MINUTES)
    assert errors["canary"] == pytest.approx(0.30, abs=0.1)


def test_a_canary_that_fails_every_request_is_worse(environment: Path, prod: str) -> None:
    asyncio.run(traffic("canary-dead", each=10, errors=1.0, seed=13))
    assert compare(prod, "canary-dead", "--report", f"{environment}/out") == 2
    found = document(environment)
    assert found["canary"] == {**found["canary"], "version": "2", "requests": 400, "errors": 400}


def test_equal_sides_whose_requests_have_many_rows_are_not_told_apart(environment: Path) -> None:
    # By rows the interval lay far from the difference, its ends the wrong way round.
    asyncio.run(traffic("prod-alike", each=40, errors=0.01, slow=0.02, carries=50, seed=14))
    asyncio.run(traffic("canary-alike", each=10, errors=0.01, slow=0.02, carries=50, seed=15))
    assert compare("prod-alike", "canary-alike", "--report", f"{environment}/out") == 0
    found = document(environment)
    assert found["verdict"]["status"] in ("undecided", "non-inferior")
    for check in found["checks"]:
        low, high = check["interval"]
        assert low <= check["canary"] - check["prod"] <= high


async def failed(deployment: str, requests: int, errors: int) -> None:
    """Histograms alone: requests and failures, evenly over the last minutes."""
    connection = await asyncpg.connect(os.environ["DRIFTLEAD_POSTGRES_DSN"])
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    for ago, all_, bad in zip(
        range(MINUTES, 0, -1),
        np.diff(np.linspace(0, requests, MINUTES + 1).astype(int)).tolist(),
        np.diff(np.linspace(0, errors, MINUTES + 1).astype(int)).tolist(),
        strict=True,
    ):
        await connection.execute(
            "INSERT INTO drift_hist (minute, spool_id, model_name, model_version, deployment, resource, "
            "rows, requests, failed_5xx, features, prediction, latency) "
            "VALUES ($1, $2, 'demo', $3, $4, 'demo', $5, $5, $6, $7, $7, $8)",
            now - timedelta(minutes=ago), uuid.uuid4(), "2" if "canary" in deployment else "1", deployment,
            all_ - bad, bad, pack(np.zeros(0)), pack(np.zeros((len(CLASSES), LATENCY_BINS), dtype=np.int64)),
        )  # fmt: skip
    await connection.close()


@pytest.mark.parametrize(
    ("name", "errors", "said"),
    [
        ("near", 25, "if the canary is as good as prod"),  # 0.95 % and 1.42 %: 11,273,357 more were told
        ("beside", 29, "too close to the margin to say when"),
    ],
)
def test_what_cannot_be_foreseen_is_not_forecast_to_seven_digits(
    environment: Path, name: str, errors: int, said: str
) -> None:
    asyncio.run(failed(f"prod-{name}", 16_301, 155))
    asyncio.run(failed(f"canary-{name}", 1_763, errors))
    assert compare(f"prod-{name}", f"canary-{name}", "--report", f"{environment}/out") == 0
    found = document(environment)
    errors_check = found["checks"][0]
    assert errors_check["verdict"] == "undecided"
    assert said in errors_check["sentence"]
    needed = errors_check["requests_needed"]
    assert needed is None or (needed < 200_000 and len(str(needed).rstrip("0")) <= 2)


def test_a_country_that_spells_no_value_is_the_same_in_a_file_and_in_the_log(
    environment: Path, tmp_path: Path
) -> None:
    # Namibia's code: pandas' readers take it for a missing value, the log holds it as text.
    codes = ["NA", "DE", "FR"]
    dice = np.random.default_rng(16)
    trained = "\n".join(["country", *dice.choice(codes, 3000)])
    (tmp_path / "trained.csv").write_text(trained + "\n")
    made = tmp_path / "countries.json"
    assert main(["baseline", "--data", f"{tmp_path}/trained.csv", "--out", f"{made}"]) == 0

    async def log() -> None:
        connection = await asyncpg.connect(os.environ["DRIFTLEAD_POSTGRES_DSN"])
        start = datetime.now(UTC) - timedelta(minutes=30)
        rows = [
            (start + timedelta(seconds=i / 2), "countries", "1", 1.0, json.dumps([code]), 0.0, "maps", "demo")
            for i, code in enumerate(dice.choice(codes, 2000).tolist())
        ]
        await copy_rows(connection, rows, "resource")
        await connection.close()

    asyncio.run(log())
    words = ["check", "--model", "models:/countries/1", "--deployment", "maps", "--baseline", f"{made}"]
    assert (
        main(
            [
                *words,
                "--window",
                "1h",
                "--period",
                "none",
                "--persistence",
                "1",
                "--report",
                f"{tmp_path}/out",
            ]
        )
        == 0
    )
    report = json.loads((tmp_path / "out/report.json").read_bytes())
    (country,) = report["features"]
    assert (country["status"], country["missing"]) == ("stable", {"baseline": 0.0, "current": 0.0})


def test_other_predictions_inform_and_decide_only_where_that_is_set(environment: Path, prod: str) -> None:
    asyncio.run(traffic("canary-other", each=100, errors=0.01, ones=0.9, seed=4))
    assert compare(prod, "canary-other", "--report", f"{environment}/out") == 0
    assert document(environment)["predictions"]["verdict"] == "different"
    assert compare(prod, "canary-other", "--max-shift", "0.1") == 2


def test_labels_that_come_later_are_compared(environment: Path, prod: str) -> None:
    asyncio.run(traffic("canary-wrong", each=100, errors=0.01, seed=5))

    async def label() -> None:
        connection = await asyncpg.connect(os.environ["DRIFTLEAD_POSTGRES_DSN"])
        # Every label of prod is what it predicted; every second one of the canary is not.
        await connection.execute(
            'INSERT INTO feedback (request_id, "row", label, received_at) SELECT request_id, "row", '
            "CASE WHEN deployment = 'canary-wrong' AND id % 2 = 0 THEN 1 - prediction ELSE prediction END, "
            "ts FROM inference_logs WHERE deployment IN ('prod', 'canary-wrong')"
        )
        await connection.close()

    asyncio.run(label())
    assert compare(prod, "canary-wrong", "--report", f"{environment}/out") == 2
    checks = {check["name"]: check for check in document(environment)["checks"]}
    assert checks["quality"]["verdict"] == "worse"
    assert checks["quality"]["prod"] == 0


def test_log_loss_auc_and_prods_own_past_are_read_from_probabilities_and_labels(
    environment: Path, prod: str
) -> None:
    asyncio.run(traffic("prod-sure", each=250, errors=0.01, seed=6))
    asyncio.run(traffic("canary-blind", each=100, errors=0.01, seed=7))

    async def label() -> None:
        connection = await asyncpg.connect(os.environ["DRIFTLEAD_POSTGRES_DSN"])
        # Prod is right and says so, the canary says the opposite; the day before prod was blind.
        await connection.execute(
            "UPDATE inference_logs SET outputs = jsonb_build_object('0', 1 - p, '1', p) FROM ("
            "SELECT id AS i, CASE deployment WHEN 'prod-sure' THEN 0.1 + 0.8 * prediction "
            "ELSE 0.7 - 0.4 * prediction END AS p "
            "FROM inference_logs WHERE deployment IN ('prod-sure', 'canary-blind')) AS said WHERE id = i"
        )
        await connection.execute(
            'INSERT INTO feedback (request_id, "row", label, received_at) SELECT request_id, "row", '
            "prediction, ts FROM inference_logs WHERE deployment IN ('prod-sure', 'canary-blind')"
        )
        await connection.execute(
            "INSERT INTO inference_logs (ts, logged_at, model_name, model_version, latency_ms, features, "
            "prediction, deployment, resource, request_id, row, outputs) "
            "SELECT ts - interval '1 day', logged_at - interval '1 day', model_name, model_version, "
            "latency_ms, features, prediction, deployment, resource, 'early-' || request_id, row, "
            "jsonb_build_object('0', 0.4, '1', 0.6) FROM inference_logs WHERE deployment = 'prod-sure'"
        )
        await connection.execute(
            'INSERT INTO feedback (request_id, "row", label, received_at) SELECT request_id, "row", '
            "CASE WHEN id % 3 = 0 THEN 1 - prediction ELSE prediction END, ts FROM inference_logs "
            "WHERE request_id LIKE 'early-%'"
        )
        await connection.close()

    asyncio.run(label())
    arguments = ["--report", f"{environment}/out", "--log-loss-margin", "0.05"]
    assert compare("prod-sure", "canary-blind", *arguments) == 2
    found = document(environment)
    loss, area = found["measures"]
    assert (loss["name"], loss["verdict"]) == ("log loss", "worse")
    assert loss["first"] == pytest.approx(-np.log(0.9), abs=1e-6)
    assert loss["second"] == pytest.approx(-np.log(0.3), abs=1e-6)
    assert (area["name"], area["first"], area["second"]) == ("AUC", 1.0, 0.0)
    own = {measure["name"]: measure for measure in found["own"]}
    assert own["wrong"]["first"] == pytest.approx(1 / 3, abs=0.01)
    assert (own["wrong"]["second"], own["wrong"]["verdict"]) == (0.0, "non-inferior")
    assert own["log loss"]["verdict"] == "non-inferior"
    html = (environment / "out/compare.html").read_text()
    assert "By labels" in html and "Prod against its own past" in html


async def regression(deployment: str, *, each: int, spread: float, at_once: bool, seed: int) -> None:
    """Rows whose prediction lies `spread` from its label, a number; labels by minute, or all in one."""
    await traffic(deployment, each=each, errors=0.0, seed=seed)
    connection = await asyncpg.connect(os.environ["DRIFTLEAD_POSTGRES_DSN"])
    await connection.execute("SELECT setseed($1)", seed / 100)
    await connection.execute(
        "UPDATE inference_logs SET prediction = 100 + $2 * (random() - random()) WHERE deployment = $1",
        deployment,
        spread,
    )
    await connection.execute(
        'INSERT INTO feedback (request_id, "row", label, received_at) SELECT request_id, "row", 100, '
        "CASE WHEN $2 THEN date_trunc('minute', now()) - interval '1 minute' ELSE ts END "
        "FROM inference_logs WHERE deployment = $1",
        deployment,
        at_once,
    )
    await connection.close()


@pytest.mark.parametrize("at_once", [False, True])
def test_labels_of_numbers_are_compared_by_how_near_they_come(environment: Path, at_once: bool) -> None:
    when = "late" if at_once else "prompt"
    prod, near, far = (f"{side}-{when}" for side in ("prod-numbers", "canary-near", "canary-far"))
    asyncio.run(regression(prod, each=120, spread=10.0, at_once=at_once, seed=21))
    asyncio.run(regression(near, each=60, spread=10.0, at_once=at_once, seed=22))
    asyncio.run(regression(far, each=60, spread=20.0, at_once=at_once, seed=23))
    assert compare(prod, far, "--report", f"{environment}/out") == 2
    found = document(environment)
    (error,) = found["measures"]
    assert (error["name"], error["verdict"], found["verdict"]["status"]) == ("MAE", "worse", "worse")
    assert error["first"] == pytest.approx(10 / 3, rel=0.1)
    assert error["second"] == pytest.approx(20 / 3, rel=0.1)
    assert "mean absolute error" in (environment / "out/compare.html").read_text()
    assert compare(prod, near, "--report", f"{environment}/out") == 0
    (error,) = document(environment)["measures"]
    assert error["verdict"] in ("undecided", "non-inferior")
    assert error["interval"][0] < error["second"] - error["first"] < error["interval"][1]


def test_a_split_that_is_not_as_configured_passes_nothing_and_hides_no_errors(
    environment: Path, prod: str
) -> None:
    assert compare(prod, "canary-equal", "--split", "0.5", "--report", f"{environment}/out") == 0
    found = document(environment)
    assert (found["split"]["mismatch"], found["verdict"]["status"]) == (True, "undecided")
    assert compare(prod, "canary-failing", "--split", "0.5", "--report", f"{environment}/out") == 2
    assert document(environment)["split"]["mismatch"] is True


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--canary", "nobody"], "deployment nobody logged nothing"),
        (["--alpha", "7"], "alpha must lie between 0 and 1"),
        (["--postgres-dsn", "postgresql://x@127.0.0.1:1/y"], "cannot be reached"),
    ],
)
def test_what_cannot_be_compared_ends_with_1_and_a_sentence(
    environment: Path, prod: str, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert main(["compare", "--prod", prod, *arguments]) == 1
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


def ask(port: int, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


def test_the_judge_answers_verdict_and_metrics_and_follows_until_told_to_stop(
    environment: Path, prod: str, tmp_path: Path
) -> None:
    port = free_port()
    judge = subprocess.Popen(
        [sys.executable, "-m", "driftlead_drift", "compare", "--follow", "--prod", prod,
         "--canary", "canary-failing", "--port", str(port), "--interval", "1s", "--report", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while ask(port, "/verdict")[0] != 200 and time.monotonic() < deadline:
            time.sleep(0.2)
        answer = json.loads(ask(port, "/verdict")[1])
        assert (answer["verdict"], answer["prod"], answer["canary"], answer["error"]) == (
            "worse",
            "1",
            "2",
            "",
        )
        assert answer["uri"] == str(tmp_path / "compare.html")
        assert "worse" in (tmp_path / "compare.html").read_text()
        assert ask(port, "/livez")[0] == 200
        exposed = ask(port, "/metrics")[1].decode()
        assert 'driftlead_drift_canary_verdict{check="errors"} -1.0' in exposed
        first = answer["at"]
        while (later := json.loads(ask(port, "/verdict")[1]))["at"] == first and time.monotonic() < deadline:
            time.sleep(0.2)
        assert later["at"] > first
        assert later["requests"]["canary"] >= answer["requests"]["canary"]
        judge.send_signal(signal.SIGTERM)
        assert judge.wait(20) == 0
    finally:
        judge.kill()
