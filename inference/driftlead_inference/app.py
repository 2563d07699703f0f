"""The ASGI application: FastAPI for documentation and everything rare, a dictionary for the predicting
routes."""

from typing import Any

from fastapi import FastAPI, Response

from driftlead_inference import metrics
from driftlead_inference.exchange import Exchange, Incoming, Reply
from driftlead_inference.protocols import predict
from driftlead_inference.service import Service

DESCRIPTION = "Serves one exact version of a model. Errors are problem documents (RFC 9457)."


class App(FastAPI):
    """FastAPI, asked only where no predicting route matches exactly: its middleware costs more than a
    prediction."""

    def __init__(self, service: Service, **options: Any) -> None:
        super().__init__(**options)
        self.service = service
        self.hot: dict[tuple[str, str], Exchange] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers a predicting route itself and leaves the rest to FastAPI."""
        if scope["type"] == "http":
            exchange = self.hot.get((scope["method"], scope["path"]))
            if exchange is not None:
                await exchange(scope, receive, send)
                return
        await super().__call__(scope, receive, send)


def create_app(service: Service) -> App:
    """The application of a service."""
    app = App(service, title="driftlead inference", description=DESCRIPTION, openapi_url="/openapi.json")
    app.hot[("POST", "/predict")] = Exchange(service, "/predict", answer_predict)
    add_operations(app, service)
    return app


async def answer_predict(incoming: Incoming) -> Reply:
    """`POST /predict`."""
    service = incoming.service
    serving = service.ready()
    request = predict.decode(incoming.body, serving.door, service.settings.rows)
    wanted = b"probabilities=true" in incoming.query.split(b"&")
    job = await service.predict(request.rows, request.raws, incoming.request_id, probabilities=wanted)
    return Reply(predict.reply(job, serving, request.many))


def add_operations(app: App, service: Service) -> None:
    """Health, readiness, liveness, metrics."""

    @app.get("/health", tags=["operation"], summary="What is served, since when, and how the log is")
    async def health() -> Any:
        return service.health()

    @app.get("/livez", tags=["operation"], summary="Whether the process answers")
    async def livez() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", tags=["operation"], summary="Whether predictions are answered")
    async def readyz(response: Response) -> dict[str, str]:
        if service.serving is None or service.draining:
            response.status_code = 503
            return {"status": "draining" if service.draining else "loading"}
        return {"status": "ok"}

    @app.get("/metrics", tags=["operation"], summary="Metrics for Prometheus")
    async def scrape() -> Response:
        return Response(service.metrics.render(), media_type=metrics.CONTENT_TYPE)
