"""Every setting of the drift commands, one class each; the operator renders its environment from these.

Where they come from, and what wins: `driftlead_formats.settings_source`.
"""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, AliasChoices, Field, SecretStr

from driftlead_formats.durations import duration
from driftlead_formats.settings_source import CommaList, ConnectedSettings
from driftlead_formats.traffic import Traffic


def _length(text: str) -> str:
    duration(text)
    return text


def _length_or_none(text: str) -> str:
    return text if text == "none" else _length(text)


Length = Annotated[str, AfterValidator(_length)]
LengthOrNone = Annotated[str, AfterValidator(_length_or_none)]


class Connections(ConnectedSettings):
    """Connections, and whose traffic is read."""

    postgres_dsn: SecretStr | None = Field(
        None, description="Database with the prediction log: postgresql://user:password@host:5432/name"
    )
    read_dsn: SecretStr | None = Field(
        None, description="A read replica for the windows; by default the database itself"
    )
    statement_timeout: Length = Field("5m", description="Longest a single statement may run in the database")
    tracking_uri: str | None = Field(
        None,
        validation_alias=AliasChoices("MLFLOW_TRACKING_URI", "tracking_uri"),
        description="MLflow's address; needed if the model is given by its registered name",
    )
    report_bucket: str | None = Field(
        None, description="S3 bucket for reports on logged traffic; without it they stay local"
    )
    cluster: str = Field("", description="Only rows of this cluster; empty: of all")
    namespace: str = Field("", description="Only rows of this namespace; empty: of all")
    resource: str = Field("", description="Only rows of this ModelDeployment; empty: of all")
    termination_log: Path | None = Field(
        None, description="File for the summary that the operator reads (`/dev/termination-log` in pods)"
    )
    json_output: bool = Field(
        False,
        validation_alias=AliasChoices("DRIFTLEAD_JSON", "json"),
        description="Print the summary as one line of JSON instead of words",
    )

    def traffic(self, deployment: str) -> Traffic:
        """What a deployment of the resource that is meant logged, of whatever model version."""
        return Traffic(
            deployment=deployment,
            cluster=self.cluster,
            namespace=self.namespace,
            resource=self.resource,
        )


class Rule(Connections):
    """When a difference is drift; `driftlead_drift.judging.policy` has the reason for each default."""

    rule: Literal["corrected", "psi"] = Field(
        "corrected",
        description="`corrected` allows for sample sizes and dependence; `psi` is the plain PSI threshold, "
        "whose expected false alarms are printed",
    )
    q: float = Field(0.01, description="Rate of false discoveries over all features and the prediction")
    tau: float = Field(0.10, description="Corrected PSI from which a real difference is large: drift")
    tau_prediction: float = Field(0.10, description="The same for predictions")
    class_ratio: float = Field(
        2.0,
        description="A class that is predicted surely more than this many times as often as in training, or "
        "as seldom, is drift, however rare it is",
    )
    severe: float = Field(
        0.25, description="PSI that the interval's lower end must exceed for the verdict severe"
    )
    confidence: float = Field(0.90, description="Confidence of the interval for the true PSI")
    broad_share: float = Field(
        0.5, description="Share of features that must change together for a broad shift"
    )
    broad_psi: float = Field(0.3, description="Sum of corrected PSI that is needed for a broad shift")
    psi_threshold: float = Field(0.2, description="The constant of `--rule psi`")
    min_rows: int | None = Field(
        None, description="Number of rows below which a window is insufficient; computed from tau by default"
    )
    persistence: int | None = Field(
        None,
        description="Consecutive windows without overlap that must drift; 2 by default, 1 for a "
        "file without --history",
    )
    assume_independent: bool = Field(
        False, description="States that rows are independent of each other, whatever their times"
    )


class CheckSettings(Rule):
    """Settings of `driftlead-drift check`."""

    model: str = Field(
        "",
        description="models:/Name/3, models:/Name@alias, models:/Name/Production, a registered name (then "
        "the version that serves is used), or a model's folder",
    )
    deployment: str = Field("prod", description="Value of the log's column `deployment`")
    window: Length = Field("7d", description="Length of the traffic window that is judged")
    period: LengthOrNone = Field(
        "7d",
        description="Season of the traffic: a shorter window is insufficient unless it is matched by hour; "
        "`none`: no season, as for a file without --time-column",
    )
    baseline: Path | None = Field(None, description="Baseline file, instead of the model version's own")
    data: Path | None = Field(None, description="CSV or Parquet file to judge, instead of the database")
    time_column: str | None = Field(None, description="Column of the file with the time of a row")
    prediction_column: str | None = Field(None, description="Column of the file with the prediction")
    report: Path | None = Field(None, description="Folder to write report.json and report.html into")
    history: Path | None = Field(
        None, description="Folder that keeps reports, for persistence over windows without a database"
    )
    strict: bool = Field(False, description="Insufficient data exits 1 instead of 0")
    exit_zero: bool = Field(
        False, description="Exit with 0 for every recorded verdict; the summary has the verdict's exit code"
    )
    scheduled: bool | None = Field(
        None,
        description="Whether the run counts for persistence; by default if the pod belongs to the CronJob",
    )
    keep_days: int = Field(
        90,
        ge=1,
        description="Days that the prediction log is kept; older partitions are dropped by the check",
    )
    log_redact: CommaList = Field(
        (),
        description="Features that the log does not keep (comma-separated), as in the servers' setting: not "
        "tested",
    )
    max_rows: int = Field(
        2_000_000,
        ge=1_000,
        description="Largest number of rows read from the database; if there are more, every k-th "
        "row is read",
    )

    def counts_for_persistence(self, host: str) -> bool:
        """Whether this run may advance persistence; `host` is the pod's name."""
        if self.scheduled is not None:
            return self.scheduled
        made_by_cronjob = re.fullmatch(rf"{re.escape(self.resource)}-drift-\d+-[a-z0-9]+", host)
        return bool(self.resource and made_by_cronjob)


class BaselineSettings(Connections):
    """Settings of `driftlead-drift baseline`."""

    data: Path = Field(
        description="CSV or Parquet file with the training rows; the header names the features"
    )
    out: Path = Field(Path("baseline.json"), description="File to write the baseline to")
    time_column: str | None = Field(None, description="Column with the time of a row; not a feature")
    group_column: str | None = Field(
        None, description="Column whose equal values belong together (user, session); not a feature"
    )
    prediction_column: str | None = Field(None, description="Column with the prediction; not a feature")
    calendar: CommaList = Field(
        (),
        description="Features that follow the calendar (comma-separated): reported, without effect "
        "on the verdict",
    )
    exclude: CommaList = Field(
        (), description="Columns to leave out (comma-separated), for example the target"
    )
    text_columns: CommaList = Field(
        (), description="Columns to read as text (comma-separated), whatever their cells look like"
    )


class CompareSettings(Connections):
    """Settings of `driftlead-drift compare`."""

    model: str = Field(
        "", description="Registered model whose rows are compared; by default all that the deployments logged"
    )
    baseline: Path | None = Field(
        None, description="Baseline in whose bins predictions are compared, instead of prod's version's own"
    )
    prod: str = Field("prod", description="Value of the column `deployment` for prod's rows")
    canary: str = Field("canary", description="Value of the column `deployment` for the canary's rows")
    window: Length = Field(
        "1h", description="Length of the compared traffic window, at most since the canary's start"
    )
    alpha: float = Field(
        0.05, description="Probability of ever calling a canary worse that is not worse, over all looks"
    )
    error_margin: float = Field(0.005, description="How far the share of failed requests may exceed prod's")
    latency_margin: float = Field(0.01, description="How far the share of slow requests may exceed prod's")
    latency_threshold_ms: float | None = Field(
        None,
        description="Latency from which a request counts as slow; by default prod's 99th percentile "
        "at the start",
    )
    quality_margin: float = Field(
        0.02,
        description="How far the error of predictions may exceed prod's, if there are labels: the share of "
        "wrong classes; of numbers the mean absolute error, in parts of five times prod's own (0.02 is 10 %)",
    )
    log_loss_margin: float | None = Field(
        None,
        description="A log loss (nats per row) that surely exceeds prod's by more makes a canary worse; by "
        "default it is only reported",
    )
    same_shift: float = Field(
        0.10, description="Predictions whose distribution functions differ by less are the same"
    )
    max_shift: float | None = Field(
        None,
        description="Predictions that surely differ by more make a canary worse; by default only reported",
    )
    split: float | None = Field(
        None, description="The canary's share of requests, if each request is routed independently; tested"
    )
    report: Path | None = Field(None, description="Folder to write compare.json and compare.html into")
    follow: bool = Field(
        False, description="Compare continuously from the canary's start, and answer GET /verdict"
    )
    port: int = Field(8000, ge=0, le=65535, description="Port of `--follow`")
    interval: Length = Field("15s", description="Interval between looks with `--follow`")


class RetrainSettings(Connections):
    """Settings of `driftlead-drift retrain`."""

    function: str = Field(
        "",
        description="The training function, `module:function`; its module is also searched in the working "
        "folder",
    )
    registered_model: str = Field("", description="Registered model that gets the new version")
    champion: str | None = Field(
        None,
        description="Version to compare with, models:/Name/3; without it the first version is not compared",
    )
    to_stage: str | None = Field(None, description="Registry stage for the new version; default Staging")
    to_alias: str | None = Field(None, description="Alias for the new version, instead of a stage")
    report_id: str | None = Field(None, description="Run id of the drift report that called for it")
    deployment: str = Field("prod", description="Value of the log's column `deployment` whose report it is")
    alpha: float = Field(
        0.05, gt=0, lt=1, description="Error rate of the champion gate over all attempts against one champion"
    )
    margin: float = Field(
        0.0, ge=0, description="How much better than the champion the new model must at least be"
    )


class MigrateSettings(Connections):
    """Settings of `driftlead-drift migrate`."""

    migrate_dsn: SecretStr | None = Field(
        None, description="DSN of the tables' owner; by default DRIFTLEAD_POSTGRES_DSN"
    )
    wait: float = Field(
        0, ge=0, description="Seconds to retry while the database starts or a table is locked"
    )
