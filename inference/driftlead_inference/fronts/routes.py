"""Which path speaks which protocol: handlers from a whole request to a reply."""

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Response

from driftlead_inference import metrics
from driftlead_inference.feedback_store import NO_LOG
from driftlead_inference.fronts.documentation import refusing, text
from driftlead_inference.fronts.exchange import Incoming, Reply
from driftlead_inference.problems import NOT_READY, Problem, Refused, unprocessable
from driftlead_inference.protocols import feedback, kserve_v1, mlflow, open_inference, predict
from driftlead_inference.service import Service, Serving

BINARY = b"application/octet-stream"
HEADER_LENGTH = b"inference-header-content-length"


async def answer_predict(incoming: Incoming) -> Reply:
    """`POST /predict`."""
    service = incoming.service
    serving = service.ready()
    request = predict.decode(incoming.body, serving.validator, service.settings.rows)
    job = await service.predict(
        request.rows, request.raws, incoming.request_id, probabilities=asks_probabilities(incoming)
    )
    return Reply(predict.reply(job, serving, request.many))


async def answer_v1(incoming: Incoming) -> Reply:
    """`POST /v1/models/{model}:predict`."""
    serving = named(incoming)
    rows = kserve_v1.decode(incoming.body, serving.validator, incoming.service.settings.rows)
    wanted = asks_probabilities(incoming)
    job = await incoming.service.predict(rows, None, incoming.request_id, probabilities=wanted)
    return Reply(kserve_v1.reply(job))


async def answer_v2(incoming: Incoming) -> Reply:
    """`POST /v2/models/{model}/infer`, with or without a version."""
    serving = named(incoming)
    length = incoming.headers.get(HEADER_LENGTH)
    request = open_inference.decode(incoming.body, length, serving.validator, incoming.service.settings.rows)
    wanted = open_inference.PROBABILITIES in request.outputs
    if wanted and not serving.known.probabilities:
        raise open_inference.no_probabilities()
    job = await incoming.service.predict(request.rows, None, incoming.request_id, probabilities=wanted)
    body, json_length = open_inference.reply(job, request, serving.known)
    if json_length is None:
        return Reply(body)
    return Reply(body, BINARY, ((HEADER_LENGTH, b"%d" % json_length),))


async def answer_invocations(incoming: Incoming) -> Reply:
    """`POST /invocations`."""
    serving = incoming.service.ready()
    content_type = incoming.headers.get(b"content-type", b"")
    rows = mlflow.decode(incoming.body, content_type, serving.validator, incoming.service.settings.rows)
    wanted = asks_probabilities(incoming)
    job = await incoming.service.predict(rows, None, incoming.request_id, probabilities=wanted)
    return Reply(mlflow.reply(job))


async def answer_feedback(incoming: Incoming) -> Reply:
    """`POST /feedback`: how many labels came, and how many of them were not known yet."""
    service = incoming.service
    if service.labels is None:
        raise Refused(NO_LOG)
    labels = feedback.decode(incoming.body, service.settings.rows)
    stored = await service.labels.store(labels)
    service.metrics.labels.labels("stored").inc(stored)
    service.metrics.labels.labels("known").inc(len(labels) - stored)
    return Reply(b'{"received":%d,"stored":%d}' % (len(labels), stored))


def asks_probabilities(incoming: Incoming) -> bool:
    """Whether the query says `probabilities=true`. Raises `Refused` where it says neither true nor false."""
    if not incoming.query:
        return False
    pairs = [part.partition(b"=") for part in incoming.query.split(b"&")]
    said = {value for name, _, value in pairs if name == b"probabilities"}
    if odd := said - {b"true", b"false"}:
        word = min(odd).decode(errors="replace")[:60]
        raise unprocessable(
            f"`probabilities` is {word!r}; expected true or false",
            field="probabilities",
            seen=word,
            expected="true or false",
        )
    return b"true" in said


def named(incoming: Incoming) -> Serving:
    """The model, where the path names it. Raises `Refused`: this process serves one version of one model."""
    serving = incoming.service.ready()
    check_name(serving, incoming.path.get("model"), incoming.path.get("version"))
    return serving


def check_name(serving: Serving, name: str | None, number: str | None) -> None:
    """Refuses another model's or version's name."""
    source = serving.known.source
    if name not in (None, source.name) or number not in (None, source.version):
        asked = name if number is None else f"{name} version {number}"
        raise Refused(Problem(404, f"served here is {source.name} version {source.version}, not {asked}"))


def operations(service: Service) -> APIRouter:
    """Health, readiness, liveness and metrics, in each protocol's words."""
    router = APIRouter(tags=["operation"])

    @router.get("/health", summary="What is served, since when, and how the log is")
    async def health() -> Any:
        return service.health()

    @router.get("/livez", summary="Whether the process answers")
    @router.get("/v2/health/live", include_in_schema=False)
    async def livez() -> dict[str, Any]:
        return {"status": "ok", "live": True}

    @router.get("/readyz", summary="Whether predictions are answered", responses=refusing(503))
    @router.get("/v2/health/ready", include_in_schema=False)
    @router.get("/ping", include_in_schema=False)
    async def readyz(response: Response) -> dict[str, Any]:
        state = "draining" if service.draining else "ok" if service.serving else "loading"
        response.status_code = 200 if state == "ok" else 503
        return {"status": state, "ready": state == "ok"}

    @router.get(
        "/metrics",
        summary="Metrics for Prometheus",
        response_class=Response,
        responses=text("Prometheus' text format"),
    )
    async def scrape() -> Response:
        return Response(service.metrics.render(), media_type=metrics.CONTENT_TYPE)

    @router.get(
        "/version",
        summary="MLflow's version, as its own server says it",
        response_class=Response,
        responses=text("A version such as 3.17.2"),
    )
    async def mlflow_version() -> Response:
        return Response(version("mlflow-skinny"), media_type="text/plain")

    return router


def descriptions(service: Service) -> APIRouter:
    """What KServe's and the Open Inference Protocol's clients ask before they predict."""
    router = APIRouter(tags=["model"])
    other = refusing(404, 503)

    @router.get("/v1/models", summary="The model's name (KServe V1)")
    async def models() -> dict[str, list[str]]:
        return {"models": [serving.known.source.name] if (serving := service.serving) else []}

    @router.get("/v2", summary="The server and its extensions (Open Inference Protocol)")
    async def server() -> dict[str, Any]:
        return {"name": "driftlead", "version": version("driftlead"), "extensions": ["binary_tensor_data"]}

    @router.get("/v1/models/{model}", summary="Whether the model is ready (KServe V1)", responses=other)
    @router.get(
        "/v2/models/{model}/ready",
        summary="Whether the model is ready (Open Inference Protocol)",
        responses=other,
    )
    @router.get("/v2/models/{model}/versions/{number}/ready", include_in_schema=False)
    async def model_ready(model: str, number: str | None = None) -> dict[str, Any]:
        serving = service.ready()
        check_name(serving, model, number)
        if service.draining:
            raise Refused(NOT_READY)
        return {"name": model, "ready": True}

    @router.get(
        "/v2/models/{model}",
        summary="The model's inputs and outputs (Open Inference Protocol)",
        responses=other,
    )
    @router.get("/v2/models/{model}/versions/{number}", include_in_schema=False)
    async def metadata(model: str, number: str | None = None) -> dict[str, Any]:
        serving = service.ready()
        check_name(serving, model, number)
        return open_inference.metadata(serving.known)

    return router
