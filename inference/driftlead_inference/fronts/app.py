"""The ASGI application: FastAPI for documentation and everything rare, a dictionary for the predicting
routes."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import Route

from driftlead_inference import problems
from driftlead_inference.fronts import routes
from driftlead_inference.fronts.documentation import described
from driftlead_inference.fronts.exchange import Exchange
from driftlead_inference.fronts.handlers import predicting, store_labels
from driftlead_inference.problems import Problem, Refused
from driftlead_inference.protocols import PROTOCOLS
from driftlead_inference.protocols.feedback import FEEDBACK
from driftlead_inference.service import Service


class App(FastAPI):
    """FastAPI, asked only where no predicting route matches exactly.

    Its middleware and router cost more than a prediction.
    """

    def __init__(self, service: Service, **options: Any) -> None:
        super().__init__(**options)
        self.service = service
        self.hot: dict[str, Exchange] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers a predicting route itself and leaves the rest to FastAPI."""
        if scope["type"] == "http" and scope["method"] == "POST":
            exchange = self.hot.get(scope["path"])
            if exchange is not None:
                await exchange(scope, receive, send)
                return
        await super().__call__(scope, receive, send)

    def publish(self, model: str, version: str) -> None:
        """Makes the predicting paths fast; those that name the model once its name is known."""
        for route in [each for each in self.routes if isinstance(each, Route)]:
            if isinstance(route.endpoint, Exchange):
                path = route.path.replace("{model}", model).replace("{version}", version)
                self.hot[path] = route.endpoint

    def openapi(self) -> dict[str, Any]:
        """The description of every route, with the served model's own example once there is one."""
        return described(super().openapi(), self.service.serving)


def create_app(service: Service) -> App:
    """The application of a service."""
    app = App(
        service,
        title="driftlead inference",
        description="Serves one exact version of a model. Errors are problem documents (RFC 9457).",
        separate_input_output_schemas=False,
    )
    for exchange in exchanges(service):
        app.router.routes.append(Route(exchange.route, exchange, methods=["POST"]))
    app.publish("", "")
    app.include_router(routes.operations(service))
    app.include_router(routes.descriptions(service))

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        return problem_response(error.problem)

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        path = f"{request.method} {request.url.path}"
        response = problem_response(
            Problem(error.status_code, f"{path}: {error.detail}; /docs lists every route")
        )
        response.headers.update(error.headers or {})  # which methods there are, by example
        return response

    return app


def exchanges(service: Service) -> Iterator[Exchange]:
    """Every path that takes a body."""
    for protocol in PROTOCOLS:
        answer = predicting(protocol)
        for path in protocol.paths:
            yield Exchange(service, path, answer, protocol.error_members)
    for path in FEEDBACK.paths:
        yield Exchange(service, path, store_labels, FEEDBACK.error_members, predicts=False)


def problem_response(problem: Problem) -> Response:
    """A problem of a route that FastAPI answers."""
    body = problem.body({"error": problem.detail})
    return Response(body, problem.status, media_type=problems.CONTENT_TYPE.decode())
