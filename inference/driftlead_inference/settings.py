"""Every setting of the inference service: a flag, an environment variable, a file of connections, or the
default."""

import tempfile
from enum import StrEnum
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr

from driftlead_formats.settings_source import CommaList, ConnectedSettings


def at_home(folder: str) -> Path:
    """A folder for a server without a cluster: below the user's cache, or /tmp for a user without a home."""
    try:
        home = Path.home()
    except RuntimeError:
        home = Path(tempfile.gettempdir())
    return home / ".cache" / "driftlead" / folder


class LogMode(StrEnum):
    """When a prediction is answered: after it stands in the spool, after it is committed, or without a
    log."""

    ASYNC = "async"
    DURABLE = "durable"
    OFF = "off"


class WhenFull(StrEnum):
    """What happens to a prediction whose row does not fit into the spool."""

    DROP = "drop"
    REFUSE = "refuse"


class Front(StrEnum):
    """Who answers `POST /predict`: the protocol class, or the ASGI application alone."""

    WIRE = "wire"
    ASGI = "asgi"


class Conversion(StrEnum):
    """Whether ONNX Runtime may serve a model whose answers it was verified to repeat."""

    AUTO = "auto"
    OFF = "off"


def named(variable: str, flag: str) -> AliasChoices:
    """A setting whose variable is the ecosystem's own name, beside its flag."""
    return AliasChoices(variable, flag)


class Settings(ConnectedSettings):
    """Settings of one inference process."""

    model: str = Field(
        description="What to serve: `models:/Name/3`, `models:/Name@alias`, `models:/m-<id>` as `log_model` "
        "returns it, `runs:/<run>/<path>` or a folder."
    )
    name: str = Field("", description="The model's name in replies and in the log; default: the registry's.")
    host: str = Field("0.0.0.0", description="The address to listen on.")  # noqa: S104 - a pod's only purpose
    port: int = Field(8000, ge=0, le=65535, description="The port to listen on; 0 takes a free one.")
    front: Front = Field(
        Front.WIRE,
        description="`wire` answers `POST /predict` in uvicorn's protocol class, `asgi` in the application; "
        "the replies are the same, byte for byte.",
    )
    tracking_uri: str = Field(
        "",
        validation_alias=named("MLFLOW_TRACKING_URI", "tracking_uri"),
        description="The MLflow registry for `models:/` and `runs:/`.",
    )
    deployment: str = Field("prod", description="The log's column `deployment`.")
    stage: str = Field(
        "prod", description="The stage of the ModelDeployment, `prod` or `canary`; for metrics."
    )
    cluster: str = Field("", description="The pod's cluster, in the log.")
    namespace: str = Field("", description="The pod's namespace, in the log.")
    resource: str = Field("", description="The pod's ModelDeployment, in the log.")
    pod: str = Field("", description="The pod's name, in the log; default: the host name.")

    log_mode: LogMode = Field(
        LogMode.ASYNC,
        description="`async` answers once the row is in the spool, `durable` once it is committed, "
        "`off` logs nothing.",
    )
    durable_seconds: float = Field(
        20,
        gt=0,
        description="How long a reply of mode `durable` waits for its commit (503 beyond; the row stays in "
        "the spool and is committed later).",
    )
    postgres_dsn: SecretStr = Field(
        SecretStr(""), description="DSN of the database of the log; empty: no log."
    )
    spool_dir: Path = Field(
        default_factory=lambda: at_home("spool"),
        description="The folder of rows that are not delivered yet; by default one for each port in "
        "~/.cache/driftlead.",
    )
    spool_bytes: int = Field(512 * 1024**2, ge=1024**2, description="How large the spool may grow, in bytes.")
    spool_full: WhenFull = Field(
        WhenFull.DROP,
        description="When the spool is full: `drop` the row and count it, or `refuse` with 503.",
    )
    log_sample: float = Field(
        1.0, gt=0, le=1, description="The share of rows that is logged; histograms see every row."
    )
    log_redact: CommaList = Field(
        (), description="Features that the log writes as null, separated by commas."
    )
    log_probabilities: bool = Field(
        False,
        description="The log's column `outputs` gets the probability of each class, if the model knows "
        "them; log loss and AUC need it. Most models then compute every answer twice.",
    )
    log_pooler: bool = Field(
        False, description="The DSN points to a transaction pooler: no prepared statements are kept."
    )
    report_bucket: str = Field(
        "", description="The S3 bucket for rows that a terminating pod could not deliver."
    )

    cache_dir: Path = Field(
        default_factory=lambda: at_home("models"),
        description="The folder of downloaded and converted models; by default ~/.cache/driftlead/models.",
    )
    termination_log: Path = Field(
        Path("/dev/termination-log"),
        description="Where the reason of a failed start is written, if it exists.",
    )
    onnx: Conversion = Field(
        Conversion.AUTO, description="`auto` uses ONNX Runtime if its answers were verified to be equal."
    )
    convert_seconds: int = Field(
        120,
        ge=1,
        description="How long conversion and its verification may take; after that, no ONNX Runtime.",
    )
    requires_token: SecretStr = Field(
        SecretStr(""), description="When set, predictions and labels need `Authorization: Bearer <it>`."
    )

    traffic: Path | None = Field(
        None,
        validation_alias=named("DRIFTLEAD_TRAFFIC_FILE", "traffic"),
        description="The file `traffic.json` that says which share of the predictions a canary answers (flag "
        "`--traffic`); a change is followed within a second. Not set, or not there: none.",
    )
    body_bytes: int = Field(
        8 * 1024**2, ge=1024, description="The largest request body, in bytes (413 beyond)."
    )
    rows: int = Field(10_000, ge=1, description="The most rows in one request (422 beyond).")
    waiting_rows: int = Field(
        50_000, ge=1, description="The most rows that may wait for the model at once (429 beyond)."
    )
    batch_rows: int = Field(256, ge=1, description="The most rows of several requests in one model call.")
    body_seconds: float = Field(
        30, gt=0, description="How long a client may take to send a request (408 beyond)."
    )
    predict_seconds: float = Field(
        120,
        gt=0,
        description="A prediction that takes longer counts as hung: the process ends and is restarted.",
    )
    load_seconds: float = Field(
        900, gt=0, description="How long download, loading and conversion may take together."
    )
    linger_seconds: float = Field(
        1,
        ge=0,
        description="After SIGTERM, how long connections are still accepted, each answered and closed.",
    )
    drain_seconds: float = Field(
        60,
        ge=0,
        description="After that, how long the last replies and the delivery of the log may take together.",
    )
    threads: int = Field(
        0, ge=0, description="Threads of the model's libraries; 0: as many as the container's CPU quota."
    )
