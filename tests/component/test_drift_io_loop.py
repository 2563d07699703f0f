"""Check and retraining against a real Postgres, MLflow and S3, as pods and users run them."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import boto3
import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

import driftlead_drift
from driftlead_drift.__main__ import main
from driftlead_drift.retraining.champion import failed_attempts
from driftlead_drift.storage.registry import Registry
from neighbours import S3, Postgres
from neighbours.logged import copy_rows
from neighbours.processes import ROOT

NAMES = ["amount", "visits", "age"]
TRAINER = """
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from driftlead_drift.retraining import RetrainContext, Trained


def rows(seed, shift):
    random = np.random.default_rng(seed)
    X = pd.DataFrame(random.normal(shift, 1, (3000, 3)), columns=["amount", "visits", "age"])
    return X, (X["amount"] + X["visits"] * context_sign + random.normal(0, 1, 3000) > 0).astype(int)


context_sign = -1


def train(context: RetrainContext) -> Trained:
    assert context.report is None or context.report["verdict"]["exit_code"] == 2
    X, y = rows(1, 1.0)
    later, target = rows(2, 1.0)
    model = LogisticRegression(C=float(context.parameters.get("C", 1))).fit(X, y)
    return Trained(model=model, features=X, holdout_features=later, holdout_target=target)


def poor(context: RetrainContext) -> Trained:
    trained = train(context)
    trained.model.coef_ *= -1
    return trained


def broken(context: RetrainContext) -> Trained:
    raise KeyError("labels of yesterday")


def wrong(context: RetrainContext):
    return 3
"""


@pytest.fixture(scope="module")
def environment(
    postgres_server: Postgres, s3: S3, mlflow_s3_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The settings in os.environ as in a pod, migrated tables, `demo` version 1 in the registry; a folder."""
    folder = tmp_path_factory.mktemp("loop")
    (folder / "jobs.py").write_text(TRAINER)
    variables = {
        **s3.environment(),
        "MLFLOW_TRACKING_URI": mlflow_s3_uri,
        "DRIFTLEAD_POSTGRES_DSN": postgres_server.create_database(),
        "DRIFTLEAD_REPORT_BUCKET": "mlflow",
        "DRIFTLEAD_CLUSTER": "here",
        "DRIFTLEAD_NAMESPACE": "team",
        "DRIFTLEAD_RESOURCE": "demo",
        "DRIFTLEAD_WINDOW": "1h",
        "DRIFTLEAD_PERIOD": "none",
        "DRIFTLEAD_PERSISTENCE": "1",
        "DRIFTLEAD_TERMINATION_LOG": str(folder / "termination"),
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "PYTHONPATH": str(folder),
    }
    before = dict(os.environ)
    os.environ.update(variables)
    sys.path.insert(0, str(folder))
    try:
        assert main(["migrate"]) == 0
        log_first_version()
        yield folder
    finally:
        sys.path.remove(str(folder))
        os.environ.clear()
        os.environ.update(before)


def log_first_version() -> None:
    mlflow.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"])
    rows = pd.DataFrame(traffic(0), columns=NAMES)
    target = (rows["amount"] + rows["visits"] > 0).astype(int)
    model = RandomForestClassifier(5, random_state=0).fit(rows, target)  # skops refuses a forest by default
    times = pd.Series(pd.date_range("2026-01-01", periods=len(rows), freq="1min", tz="UTC"))
    made = driftlead_drift.log_model(model, rows, registered_model="demo", time=times, metrics={"auc": 0.9})
    assert made.version == "1"
    assert mlflow.sklearn.load_model(made.uri).predict(rows[:2]).tolist() == model.predict(rows[:2]).tolist()


def traffic(seed: int, shift: float = 0.0, rows: int = 5000) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (rows, 3))


def log_rows(
    rows: np.ndarray,
    deployment: str,
    *,
    version: str = "1",
    minutes: float = 50.0,
    until: float = 0.0,
    model: str = "demo",
    **columns: str,
) -> None:
    """Rows spread over the time from `minutes` to `until` minutes ago."""
    where = {"cluster": "here", "namespace": "team", "resource": "demo", **columns}
    now = datetime.now(UTC)

    async def write() -> None:
        connection = await asyncpg.connect(os.environ["DRIFTLEAD_POSTGRES_DSN"])
        ages = np.linspace(minutes, until, len(rows))
        records = [
            (now - timedelta(minutes=float(age)), model, version, 1.0, json.dumps(row),
             float(row[0] + row[1] > 0), deployment, *where.values())
            for row, age in zip(rows.tolist(), ages, strict=True)
        ]  # fmt: skip
        await copy_rows(connection, records, *where)
        await connection.close()

    asyncio.run(write())


def fetch(query: str) -> list[asyncpg.Record]:
    async def ask() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(os.environ["DRIFTLEAD_POSTGRES_DSN"])
        try:
            return await connection.fetch(query)
        finally:
            await connection.close()

    return asyncio.run(ask())


def termination(folder: Path) -> dict[str, object]:
    return json.loads((folder / "termination").read_text())


def stored(s3: S3, uri: str) -> bytes:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    store = boto3.client(
        "s3",
        endpoint_url=s3.endpoint,
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key,
        region_name="us-east-1",
    )
    return store.get_object(Bucket=bucket, Key=key)["Body"].read()


def check(deployment: str, *more: str, model: str = "models:/demo/1") -> int:
    return main(["check", "--model", model, "--deployment", deployment, *more])


def test_quiet_traffic_exits_0_and_leaves_report_run_and_message(environment: Path, s3: S3) -> None:
    log_rows(traffic(10), "quiet")
    assert check("quiet") == 0
    message = termination(environment)
    assert message["schema"] == "drift-summary/v1"
    assert (message["verdict"], message["exit_code"], message["rows"], message["version"]) == (
        "stable",
        0,
        5000,
        "1",
    )
    where = f"s3://mlflow/driftlead/reports/here/team/demo/quiet/{message['report']}"
    assert message["uri"] == f"{where}/report.html"
    assert json.loads(stored(s3, f"{where}/report.json"))["run_id"] == message["report"]
    latest = where.rpartition("/")[0] + "/latest/report.html"
    assert stored(s3, latest) == stored(s3, str(message["uri"]))
    (run,) = fetch(f"SELECT * FROM drift_runs WHERE run_id = '{message['report']}'")
    assert (run["verdict"], run["exit_code"], run["rows"], run["scheduled"]) == ("stable", 0, 5000, False)


def test_drift_exits_2_and_with_exit_zero_0_with_the_code_in_the_message(environment: Path) -> None:
    log_rows(traffic(11, shift=1.0), "drifting")
    assert check("drifting") == 2
    assert check("drifting", "--exit-zero") == 0
    message = termination(environment)
    assert message["exit_code"] == 2
    assert message["independence_assumed"] is False
    assert {each["name"] for each in message["top"]} == set(NAMES)


def test_rows_of_other_resources_versions_and_models_are_not_counted(environment: Path) -> None:
    log_rows(traffic(12), "shared")
    log_rows(traffic(13, shift=3.0), "shared", resource="other")
    log_rows(traffic(13, shift=3.0), "shared", namespace="elsewhere")
    assert check("shared") == 0
    assert termination(environment)["rows"] == 5000


def test_a_change_of_version_begins_a_new_window(environment: Path, tmp_path: Path) -> None:
    log_rows(traffic(14, shift=2.0), "rolled", version="1", minutes=50, until=40)
    log_rows(traffic(15), "rolled", version="7", minutes=39, until=30)
    log_rows(traffic(16, rows=3000), "rolled", version="1", minutes=29, until=0)
    assert check("rolled", "--report", str(tmp_path)) == 0
    report = json.loads((tmp_path / "report.json").read_bytes())
    assert report["window"]["rows"] == 3000
    assert "another version answered" in report["notes"][0]


def test_a_plain_name_means_the_version_that_answered_last(environment: Path) -> None:
    log_rows(traffic(17), "plain")
    assert check("plain", model="demo") == 0
    assert termination(environment)["version"] == "1"


def test_a_version_without_baseline_gets_one_from_its_first_full_window(
    environment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client_ = mlflow.MlflowClient()
    client_.create_registered_model("bare")
    rows = pd.DataFrame(traffic(30, rows=200), columns=["amount", "it's", "a rather long name"])
    model = RandomForestClassifier(2, random_state=0).fit(rows, rows["amount"] > 0)
    signature = mlflow.models.infer_signature(rows)
    info = mlflow.sklearn.log_model(
        model, name="m", signature=signature, serialization_format="cloudpickle", pip_requirements=[]
    )
    mlflow.register_model(info.model_uri, "bare")

    log_rows(traffic(31, rows=3000), "bare", minutes=110, until=61, model="bare")
    assert check("bare", "--window", "2h", model="models:/bare/1") == 0
    early = termination(environment)
    assert (early["verdict"], "first full window" in str(early["message"])) == ("insufficient", True)

    log_rows(traffic(32, rows=2000), "bare", minutes=59, until=0, model="bare")
    assert check("bare", "--window", "50m", "--report", str(tmp_path), model="models:/bare/1") == 0
    report = json.loads((tmp_path / "report.json").read_bytes())
    assert {feature["name"] for feature in report["features"]} == {"amount", "it's", "a rather long name"}
    assert "first window" in report["notes"][0]
    assert len(fetch("SELECT 1 FROM drift_baselines")) == 1

    log_rows(traffic(33, shift=2.0, rows=2000), "bare", minutes=19, until=0, model="bare")
    assert check("bare", "--window", "20m", "--report", str(tmp_path), model="models:/bare/1") == 2
    sha256 = json.loads((tmp_path / "report.json").read_bytes())["baseline"]["sha256"]
    assert sha256 == report["baseline"]["sha256"]


def test_who_logs_a_model_himself_adds_the_baseline_by_one_call(environment: Path) -> None:
    rows = pd.DataFrame(traffic(40, rows=500), columns=NAMES)
    model = RandomForestClassifier(2, random_state=0).fit(rows, rows["amount"] > 0)
    info = mlflow.sklearn.log_model(
        model, name="m", serialization_format="cloudpickle", pip_requirements=[], signature=False
    )
    assert info.model_id
    made = driftlead_drift.log_baseline(rows, groups=rows.index // 10)
    assert made.independence == "groups"
    version = mlflow.register_model(info.model_uri, "own").version
    registry = Registry(os.environ["MLFLOW_TRACKING_URI"])
    stored = registry.file(registry.version("own", str(version)), "driftlead/baseline.json")
    assert stored == made.to_json()
    with pytest.raises(TypeError, match="pandas DataFrame"):
        driftlead_drift.log_baseline(rows.to_numpy(), model_id=info.model_id)


def test_no_rows_are_insufficient(environment: Path) -> None:
    assert check("nobody") == 0
    assert termination(environment)["verdict"] == "insufficient"
    assert check("nobody", "--strict") == 1


def test_persistence_counts_scheduled_disjoint_windows_only(environment: Path) -> None:
    log_rows(traffic(18, shift=0.4), "lasting")
    persist = ["--persistence", "2"]
    codes = [check("lasting", *persist, "--scheduled") for _ in range(3)]
    assert codes == [0, 0, 0]  # the same hour again and again is one window
    an_hour_ago = "window_from = window_from - interval '1 hour', window_to = window_to - interval '1 hour'"
    fetch(f"UPDATE drift_runs SET {an_hour_ago} WHERE deployment = 'lasting'")
    assert check("lasting", *persist, "--scheduled") == 2
    assert termination(environment)["consecutive"] == 2
    fetch("UPDATE drift_runs SET scheduled = false WHERE deployment = 'lasting'")
    assert check("lasting", *persist, "--scheduled") == 0


def test_more_rows_than_wanted_are_sampled_and_said_so(environment: Path, tmp_path: Path) -> None:
    log_rows(traffic(19), "many")
    assert check("many", "--max-rows", "1000", "--report", str(tmp_path)) == 0
    window = json.loads((tmp_path / "report.json").read_bytes())["window"]
    assert window["rows"] == 1000
    assert window["rows_scanned"] == 5000
    assert window["sampling"] == 0.2


@pytest.mark.parametrize(
    ("variables", "model", "sentence"),
    [
        ({"DRIFTLEAD_POSTGRES_DSN": ""}, "models:/demo/1", "there is no database"),
        (
            {"DRIFTLEAD_POSTGRES_DSN": "postgresql://nobody@127.0.0.1:1/x"},
            "models:/demo/1",
            "cannot be reached",
        ),
        ({"DRIFTLEAD_POSTGRES_DSN": "nonsense"}, "models:/demo/1", "cannot be reached"),
        ({"MLFLOW_TRACKING_URI": "http://127.0.0.1:1"}, "models:/demo/1", "does not answer"),
        ({"MLFLOW_TRACKING_URI": ""}, "models:/demo/1", "MLFLOW_TRACKING_URI"),
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "models:/demo/1", "SignatureDoesNotMatch"),
        ({"DRIFTLEAD_REPORT_BUCKET": "no-such-bucket"}, "models:/demo/1", "NoSuchBucket"),
        ({}, "models:/demo/99", "knows no demo 99"),
        ({}, "models:/nobody/1", "knows no nobody 1"),
        ({}, "models:/demo@nowhere", "alias nowhere not found"),
        ({}, "models:/demo/Production", "no version in stage Production"),
        ({}, "models:/a/b/c", "does not name a model"),
        ({}, "", "no model is named"),
    ],
)
def test_what_is_unreachable_or_wrong_ends_with_1_and_a_sentence_in_the_message(
    environment: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    variables: dict[str, str],
    model: str,
    sentence: str,
) -> None:
    log_rows(traffic(20, rows=500), "failing")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert check("failing", "--exit-zero", model=model) == 1
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    message = termination(environment)
    assert (message["verdict"], message["exit_code"]) == ("error", 1)
    assert sentence in str(message["message"])


def test_a_role_without_rights_is_told_which_it_needs(
    environment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch("DO $$ BEGIN CREATE ROLE driftlead_stranger LOGIN; EXCEPTION WHEN duplicate_object THEN END $$")
    dsn = os.environ["DRIFTLEAD_POSTGRES_DSN"].replace("driftlead@", "driftlead_stranger@")
    monkeypatch.setenv("DRIFTLEAD_POSTGRES_DSN", dsn)
    assert check("stranger", "--exit-zero") == 1
    said = capsys.readouterr().err
    assert "permission denied" in said and "Grant the role SELECT" in said
    assert said.count("\n") == 1


def test_windows_are_read_from_the_replica_and_runs_are_written_to_the_other(
    environment: Path, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    primary, replica = os.environ["DRIFTLEAD_POSTGRES_DSN"], postgres_server.create_database()
    monkeypatch.setenv("DRIFTLEAD_POSTGRES_DSN", replica)
    assert main(["migrate"]) == 0
    log_rows(traffic(31, rows=3000), "replicated")
    monkeypatch.setenv("DRIFTLEAD_POSTGRES_DSN", primary)
    monkeypatch.setenv("DRIFTLEAD_READ_DSN", replica)
    assert check("replicated", "--report", str(tmp_path)) == 0
    assert json.loads((tmp_path / "report.json").read_bytes())["window"]["rows"] == 3000
    runs = fetch("SELECT rows FROM drift_runs WHERE deployment = 'replicated'")
    assert [run["rows"] for run in runs] == [3000]


def test_a_database_that_was_never_migrated_is_named_with_the_cure(
    environment: Path,
    postgres_server: Postgres,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DRIFTLEAD_POSTGRES_DSN", postgres_server.create_database())
    assert check("quiet") == 1
    assert "driftlead-drift migrate" in capsys.readouterr().err


def test_a_slow_statement_is_given_up(environment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def lock() -> None:
        connection = await asyncpg.connect(os.environ["DRIFTLEAD_POSTGRES_DSN"])
        async with connection.transaction():
            await connection.execute("LOCK TABLE inference_logs IN ACCESS EXCLUSIVE MODE")
            code = await asyncio.to_thread(check, "quiet", "--statement-timeout", "1s")
            assert code == 1
        await connection.close()

    asyncio.run(lock())
    assert "DRIFTLEAD_STATEMENT_TIMEOUT" in capsys.readouterr().err


def test_the_script_retrains_on_drift_alone(environment: Path) -> None:
    def script(deployment: str) -> subprocess.CompletedProcess[str]:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        command = [
            ROOT / "drift/retrain_if_drifted.sh",
            "jobs:train",
            "--model",
            "models:/demo/1",
            "--deployment",
            deployment,
        ]
        return subprocess.run(
            command,
            env={**os.environ, "PATH": path, "DRIFTLEAD_DEPLOYMENT": deployment, "DRIFTLEAD_PARAM_C": "0.5"},
            cwd=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    log_rows(traffic(21), "script-quiet")
    quiet = script("script-quiet")
    assert (quiet.returncode, "retraining" in quiet.stdout) == (0, False), quiet.stderr
    log_rows(traffic(22, shift=1.0), "script-drift")
    drifted = script("script-drift")
    assert drifted.returncode == 0, drifted.stderr
    assert "will be removed" not in drifted.stderr  # MLflow's word on stages, which the user chose
    assert "Registered: version 2 of demo is registered and moved to stage Staging" in drifted.stdout
    message = termination(environment)
    assert (message["schema"], message["result"], message["version"]) == (
        "retrain-summary/v1",
        "Registered",
        "2",
    )
    assert message["metrics"]["roc_auc_challenger"] > message["metrics"]["roc_auc_champion"]

    made = mlflow.MlflowClient().get_model_version("demo", "2")
    assert made.current_stage == "Staging"
    run = mlflow.get_run(made.run_id)
    assert run.data.params["C"] == "0.5"
    assert check("script-drift", model="models:/demo/2") == 0


def test_the_script_wants_a_function_and_ends_with_1_without(environment: Path) -> None:
    script = subprocess.run(
        [ROOT / "drift/retrain_if_drifted.sh"], capture_output=True, text=True, check=False
    )
    assert (script.returncode, "usage" in script.stderr) == (1, True)


def test_a_worse_model_is_not_registered(environment: Path) -> None:
    code = main(["retrain", "jobs:poor", "--registered-model", "demo", "--champion", "models:/demo/1"])
    assert code == 0
    message = termination(environment)
    assert message["result"] == "NotBetter"
    assert failed_attempts("demo", "1") == 1
    assert failed_attempts("demo", "2") == 0
    assert "nothing was registered" in str(message["message"])


def test_a_new_version_can_go_to_an_alias(environment: Path) -> None:
    assert main(["retrain", "jobs:train", "--registered-model", "fresh", "--to-alias", "next"]) == 0
    assert str(mlflow.MlflowClient().get_model_version_by_alias("fresh", "next").version) == "1"
    assert termination(environment)["result"] == "Registered"


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        ("jobs:broken", "labels of yesterday"),
        ("jobs:wrong", "returned int"),
        ("jobs:nothing", "no function nothing"),
        ("nowhere:train", "cannot be imported"),
        ("jobs:context_sign", "not a function"),
    ],
)
def test_a_training_that_fails_ends_with_1_and_says_so(
    environment: Path, capsys: pytest.CaptureFixture[str], function: str, sentence: str
) -> None:
    assert main(["retrain", function, "--registered-model", "demo"]) == 1
    assert sentence in capsys.readouterr().err
    message = termination(environment)
    assert message["result"] == "Failed"
    assert sentence in str(message["message"])


def test_drift_job_is_the_check(environment: Path) -> None:
    job = subprocess.run(
        [sys.executable, ROOT / "drift/drift_job.py", "--model", "demo", "--deployment", "drifting"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert job.returncode == 2, job.stderr
    assert job.stdout.startswith("severe")
