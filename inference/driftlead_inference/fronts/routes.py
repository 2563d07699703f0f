"""What FastAPI answers: health, metrics, and what a protocol's clients ask before they predict."""

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Response

from driftlead_inference import metrics
from driftlead_inference.fronts.documentation import refusing, text
from driftlead_inference.fronts.handlers import check_name
from driftlead_inference.problems import NOT_READY, Refused
from driftlead_inference.protocols import open_inference
from driftlead_inference.service import Service


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
