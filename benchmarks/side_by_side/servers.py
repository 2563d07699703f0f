"""Every server that is measured, and how it is started: one worker, production mode, no access log.

Peers run in the fastest way of theirs that we found: each was tried as its documentation starts it, and with
its own batching, its gRPC port, its latency log and its metrics off.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path

PYTHON = sys.executable
SERVERS = Path(__file__).resolve().parents[1] / "servers"
OURS, PEER, LIMIT = "ours", "peer", "limit"
MLFLOW, RAW = "MLflow models serve", "uvicorn, raw ASGI, constant reply"


@dataclass(frozen=True)
class Server:
    """How one is started.

    `{model}` (its MLflow folder), `{joblib}`, `{home}` (a scratch folder), `{port}`, `{port2}`, `{port3}` are
    filled into command and environment. `peer` names the virtualenv whose folder of programs is `{bin}`.
    `logs`: a row for each answer must be in the table.
    """

    name: str
    kind: str
    model: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    path: str = "/predict"
    dialect: str = "features"
    peer: str = ""
    logs: bool = False

    @property
    def title(self) -> str:
        """Its name with the model's: unique."""
        return f"{self.model}: {self.name}"


def ours(name: str, model: str, **settings: str) -> Server:
    """This project's server; `settings` without their prefix. It logs unless LOG_MODE is off."""
    environment = {f"DRIFTLEAD_{key}": value for key, value in settings.items()}
    command = [PYTHON, "-m", "driftlead_inference", "serve", "--host", "127.0.0.1", "--port", "{port}"]
    return Server(
        name,
        OURS,
        model,
        [*command, "--model", "{model}"],
        environment,
        logs=settings.get("LOG_MODE") != "off",
    )


def uvicorn(application: str) -> list[str]:
    """An application of `benchmarks/servers` under stock uvicorn (with uvloop and httptools)."""
    command = [PYTHON, "-m", "uvicorn", application, "--port", "{port}", "--app-dir", str(SERVERS)]
    return [*command, "--no-access-log", "--log-level", "warning"]


def mlflow(model: str) -> Server:
    """MLflow's own server, with uvloop and httptools, which it does not bring itself."""
    command = [str(Path(PYTHON).with_name("mlflow")), "models", "serve", "-m", "{model}", "-p", "{port}"]
    environment = {"UVICORN_ACCESS_LOG": "false"}
    return Server(
        MLFLOW, PEER, model, [*command, "--env-manager", "local", "--workers", "1"], environment,
        path="/invocations", dialect="inputs",
    )  # fmt: skip


def kserve(model: str) -> Server:
    """KServe by its V1 protocol, without what it logs of each request: timings and warnings."""
    command = ["{bin}/python", "-W", "ignore", str(SERVERS / "kserve_sklearn.py")]
    environment = {"MODEL": "{joblib}", "PORT": "{port}", "KSERVE_LOGLEVEL": "WARNING"}
    return Server(
        "KServe", PEER, model, command, environment,
        path="/v1/models/demo:predict", dialect="instances", peer="kserve",
    )  # fmt: skip


def mlserver(model: str, batch: int = 0) -> Server:
    """MLServer's scikit-learn runtime, in the server's own process: a pool for one model only costs."""
    environment = {
        "MLSERVER_DEBUG": "false",
        "MLSERVER_PARALLEL_WORKERS": "0",
        "MLSERVER_HOST": "127.0.0.1",
        "MLSERVER_HTTP_PORT": "{port}",
        "MLSERVER_GRPC_PORT": "{port2}",
        "MLSERVER_METRICS_PORT": "{port3}",
        "MLSERVER_MODEL_NAME": "demo",
        "MLSERVER_MODEL_IMPLEMENTATION": "mlserver_sklearn.SKLearnModel",
        "MLSERVER_MODEL_URI": "{joblib}",
    }
    if batch:
        environment |= {"MLSERVER_MODEL_MAX_BATCH_SIZE": str(batch), "MLSERVER_MODEL_MAX_BATCH_TIME": "0.001"}
    return Server(
        "MLServer, batching" if batch else "MLServer", PEER, model, ["{bin}/mlserver", "start", "{home}"],
        environment, path="/v2/models/demo/infer", dialect="tensor", peer="mlserver",
    )  # fmt: skip


def bento(model: str, *, batching: bool = False) -> Server:
    """BentoML, one worker."""
    service = f"bento_service:{'Batching' if batching else 'Single'}"
    command = ["{bin}/bentoml", "serve", service, "--working-dir", str(SERVERS), "--quiet"]
    command += ["--host", "127.0.0.1", "--port", "{port}"]
    environment = {
        "MODEL": "{joblib}",
        "BENTOML_HOME": "{home}/bentoml",
        "BENTOML_DO_NOT_TRACK": "true",
        "BENTOML_CONFIG_OPTIONS": "services.metrics.enabled=false services.logging.access.enabled=false",
    }
    return Server(
        "BentoML, batching" if batching else "BentoML", PEER, model, command, environment,
        dialect="rows" if batching else "features", peer="bentoml",
    )  # fmt: skip


def lit(model: str) -> Server:
    """LitServe, one API server and one worker."""
    command = ["{bin}/python", str(SERVERS / "lit_server.py")]
    environment = {"MODEL": "{joblib}", "PORT": "{port}"}
    return Server("LitServe, batching", PEER, model, command, environment, peer="litserve")


def plain(model: str) -> Server:
    """What most people write."""
    return Server("FastAPI + INSERT", PEER, model, uvicorn("naive:app"), {"MODEL": "{joblib}"}, logs=True)


WIRE, ASGI = "wire, logged", "ASGI, logged"
UNCONVERTED = "wire, logged, scikit-learn"
ALL = [
    ours(WIRE, "regression"),
    ours("wire, no log", "regression", LOG_MODE="off"),
    ours("wire, durable", "regression", LOG_MODE="durable"),
    ours(UNCONVERTED, "regression", ONNX="off"),
    ours(ASGI, "regression", FRONT="asgi"),
    Server(RAW, LIMIT, "regression", uvicorn("raw:app")),
    mlflow("regression"),
    kserve("regression"),
    mlserver("regression"),
    bento("regression"),
    lit("regression"),
    plain("regression"),
    ours(WIRE, "forest"),
    ours(UNCONVERTED, "forest", ONNX="off"),
    ours(ASGI, "forest", FRONT="asgi"),
    mlflow("forest"),
    kserve("forest"),
    mlserver("forest", batch=64),
    bento("forest", batching=True),
    lit("forest"),
    plain("forest"),
    *(
        server
        for model in ("svc", "boosting")
        for server in (ours(WIRE, model), mlflow(model), kserve(model))
    ),
]
